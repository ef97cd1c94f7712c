"""The last step on an answer that was to have a form: making of its text what was asked for."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..errors import ProtocolError
from ..values.characters import with_whole_strings
from ..values.response import Response


def parsed_json(response: Response) -> Response:
    """With the JSON that its text is, or that stands in a code block of it; with a warning if there is none."""
    if not response.text or response.parsed is not None:
        return response
    try:
        value = json.loads(response.text)
        # Half a character that JSON spells out can be neither kept nor sent on.
        return msgspec.structs.replace(response, parsed=with_whole_strings(value) if "\\u" in response.text else value)
    except (ValueError, RecursionError) as error:
        from ..tools.validation import read  # seldom needed

        value, problem = read(response.text)
        if problem is None:
            return msgspec.structs.replace(response, parsed=value)
        note = f"the answer is no valid JSON, although it was asked for ({error})"
        return msgspec.structs.replace(response, warnings=(*response.warnings, note))


def parsed_as(kind: Any, response: Response) -> Response:
    """With an instance of the class that was given as ``response_format``.

    Raises:
        ProtocolError: the text is not what the class takes.
    """
    from ..tools.schemas import instance_of

    if response.refusal is not None or (response.tool_calls and not response.text):
        return response
    try:
        return msgspec.structs.replace(response, parsed=instance_of(kind, response.text))
    except ProtocolError as error:
        error.partial = response
        if response.finish_reason == "length":
            raise _because_of_the_limit(error) from error
        raise


def _because_of_the_limit(error: ProtocolError) -> ProtocolError:
    cut = ProtocolError(f"the answer was cut by its limit; raise max_tokens. {error}")
    cut.partial = error.partial
    return cut
