"""Uploaded files, as methods of the provider."""

from __future__ import annotations

import os

from airouter_core.errors import BadRequestError, TransportError, UnsupportedFeatureError
from airouter_core.flow.endpoints import HttpResponse
from airouter_core.flow.steps import Do, Flow, Sleep
from airouter_core.provider.both import both
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

    def upload_flow(
        self,
        file: str | os.PathLike[str] | bytes,
        *,
        media_type: str | None = None,
        name: str | None = None,
        wait: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Flow[RemoteFile]:
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
        if self.config.vertex:
            raise UnsupportedFeatureError("Vertex AI takes files from Cloud Storage: FilePart(type, url='gs://…')")
        upload: Upload = yield Do(lambda: Upload(file, media_type, name))
        try:
            made = yield from self._sent(upload, on_progress)
        finally:
            upload.close()
        return (yield from self._usable(made)) if wait else made

    upload_file, aupload_file = both(upload_flow, kind="management", name="upload_file")

    def get_file_flow(self, name: str) -> Flow[RemoteFile]:
        """How an uploaded file is doing."""
        return self.operate(GET_FILE, name)

    get_file, aget_file = both(get_file_flow, kind="management", name="get_file")

    def wait_for_file_flow(self, name: str) -> Flow[RemoteFile]:
        """Look, ever less often, until a file can be used.

        Raises:
            BadRequestError: it cannot be.
        """
        return (yield from self._usable((yield from self.operate(GET_FILE, name))))

    wait_for_file, await_file = both(wait_for_file_flow, kind="management", name="wait_for_file", awaited="await_file")

    def files_flow(self) -> Flow[list[RemoteFile]]:
        """All uploaded files that Google still has."""
        found: list[RemoteFile] = []
        token: str | None = None
        while True:
            page = yield from self.operate(FILE_PAGE, token)
            found += page.files
            token = page.next
            if token is None:
                return found

    list_files, alist_files = both(files_flow, kind="management", name="list_files")

    def delete_file_flow(self, name: str) -> Flow[None]:
        """Remove an uploaded file; Google removes it after two days anyway."""
        return self.operate(DELETE_FILE, name)

    delete_file, adelete_file = both(delete_file_flow, kind="management", name="delete_file")

    def _sent(self, upload: Upload, on_progress: OnProgress | None) -> Flow[RemoteFile]:
        response, _ = yield from self._exchanged(announcement(self.config, upload))
        address = upload_address(self.config, response.headers)
        # A piece is not sent twice as it is: what of it has arrived is asked for.
        offset, failures = 0, 0
        while True:
            request = yield Do(lambda offset=offset: piece_request(address, upload, offset))  # type: ignore[misc]  # bound at once
            try:
                _, body = yield from self._exchanged(request, once=True)
            except TransportError:
                failures += 1
                if failures > self.config.max_retries:
                    raise
                response, _ = yield from self._exchanged(query_request(address))
                offset = arrived(response.headers)
                continue
            offset += len(request.body)
            if on_progress is not None:
                on_progress(offset, upload.size)
            if offset >= upload.size:
                return uploaded(body)

    def _exchanged(self, request: HttpRequest, *, once: bool = False) -> Flow[tuple[HttpResponse, bytes]]:
        return (yield from self.exchange(request, once=once).fetch(MEBIBYTE))

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
