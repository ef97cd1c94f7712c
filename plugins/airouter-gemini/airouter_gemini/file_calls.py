"""Uploaded files, as methods of the provider."""

from __future__ import annotations

import os

import msgspec

from airouter_core.errors import BadRequestError, TransportError, UnsupportedFeatureError
from airouter_core.flow.exchange import Exchange, Policy
from airouter_core.flow.steps import Do, Flow, HttpResponse, Sleep
from airouter_core.provider.http import HttpProvider
from airouter_core.wire.http import MEBIBYTE, HttpRequest

from .config import GeminiConfig
from .files import (
    DELETE_FILE,
    FILE_PAGE,
    FIRST_LOOK,
    GET_FILE,
    LONGEST_LOOK,
    OnProgress,
    RemoteFile,
    Upload,
    announcement,
    arrived,
    piece_request,
    query_request,
    upload_address,
    uploaded,
)


class FileCalls(HttpProvider[GeminiConfig]):
    """What a provider can do with files at AI Studio."""

    def upload_file(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        media_type: str | None = None,
        name: str | None = None,
        wait: bool = True,
        on_progress: OnProgress | None = None,
    ) -> RemoteFile:
        """Upload a file, so that calls can name it: ``Message.user(uploaded.part, "What is in it?")``.

        Args:
            file: a path, or its bytes.
            media_type: told by its first bytes and its name unless given.
            wait: until it can be used; videos are prepared for a while.
            on_progress: is told the bytes sent so far, and all there are.

        Raises:
            ParameterError: it cannot be read.
            ExecutionError: it could not be uploaded, or cannot be used.
        """
        return self.run(self.upload_flow(file, media_type, name, wait, on_progress))

    async def aupload_file(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        media_type: str | None = None,
        name: str | None = None,
        wait: bool = True,
        on_progress: OnProgress | None = None,
    ) -> RemoteFile:
        """:meth:`upload_file`, awaited."""
        return await self.arun(self.upload_flow(file, media_type, name, wait, on_progress))

    def get_file(self, name: str) -> RemoteFile:
        """How an uploaded file is doing."""
        return self.run(self.operate(GET_FILE, name))

    async def aget_file(self, name: str) -> RemoteFile:
        """:meth:`get_file`, awaited."""
        return await self.arun(self.operate(GET_FILE, name))

    def wait_for_file(self, name: str) -> RemoteFile:
        """Look, ever less often, until a file can be used.

        Raises:
            BadRequestError: it cannot be.
        """
        return self.run(self.wait_for_file_flow(name))

    async def await_file(self, name: str) -> RemoteFile:
        """:meth:`wait_for_file`, awaited."""
        return await self.arun(self.wait_for_file_flow(name))

    def list_files(self) -> list[RemoteFile]:
        """All uploaded files that Google still has."""
        return self.run(self.files_flow())

    async def alist_files(self) -> list[RemoteFile]:
        """:meth:`list_files`, awaited."""
        return await self.arun(self.files_flow())

    def delete_file(self, name: str) -> None:
        """Remove an uploaded file; Google removes it after two days anyway."""
        self.run(self.operate(DELETE_FILE, name))

    async def adelete_file(self, name: str) -> None:
        """:meth:`delete_file`, awaited."""
        await self.arun(self.operate(DELETE_FILE, name))

    def upload_flow(
        self,
        source: str | os.PathLike[str] | bytes,
        media_type: str | None,
        name: str | None,
        wait: bool,
        on_progress: OnProgress | None,
    ) -> Flow[RemoteFile]:
        """The flow of :meth:`upload_file`."""
        if self.config.vertex:
            raise UnsupportedFeatureError("Vertex AI takes files from Cloud Storage: FilePart(type, url='gs://…')")
        upload: Upload = yield Do(lambda: Upload(source, media_type, name))
        try:
            made = yield from self._sent(upload, on_progress)
        finally:
            upload.close()
        return (yield from self._usable(made)) if wait else made

    def wait_for_file_flow(self, name: str) -> Flow[RemoteFile]:
        """The flow of :meth:`wait_for_file`."""
        return (yield from self._usable((yield from self.operate(GET_FILE, name))))

    def files_flow(self) -> Flow[list[RemoteFile]]:
        """The flow of :meth:`list_files`."""
        found: list[RemoteFile] = []
        token: str | None = None
        while True:
            page = yield from self.operate(FILE_PAGE, token)
            found += page.files
            token = page.next
            if token is None:
                return found

    def _sent(self, upload: Upload, on_progress: OnProgress | None) -> Flow[RemoteFile]:
        policy = Policy.of(self.config)
        response, _ = yield from self._exchanged(announcement(self.config, upload), policy)
        address = upload_address(self.config, response.headers)
        # A piece is not sent twice as it is: what of it has arrived is asked for.
        once = msgspec.structs.replace(policy, max_retries=0)
        offset, failures = 0, 0
        while True:
            request = yield Do(lambda offset=offset: piece_request(address, upload, offset))  # type: ignore[misc]  # bound at once
            try:
                _, body = yield from self._exchanged(request, once)
            except TransportError:
                failures += 1
                if failures > policy.max_retries:
                    raise
                response, _ = yield from self._exchanged(query_request(address), policy)
                offset = arrived(response.headers)
                continue
            offset += len(request.body)
            if on_progress is not None:
                on_progress(offset, upload.size)
            if offset >= upload.size:
                return uploaded(body)

    def _exchanged(self, request: HttpRequest, policy: Policy) -> Flow[tuple[HttpResponse, bytes]]:
        exchange = Exchange(self._complete(request, self.config), self.wire.parse_error, policy)
        return (yield from exchange.fetch(MEBIBYTE))

    def _usable(self, file: RemoteFile) -> Flow[RemoteFile]:
        pause = FIRST_LOOK
        while file.state == "PROCESSING":
            yield Sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)
            file = yield from self.operate(GET_FILE, file.name)
        if file.state == "FAILED":
            why = file.problem or "it does not say why"
            raise BadRequestError(f"gemini cannot use {file.name}: {why}", provider=self.info.name)
        return file
