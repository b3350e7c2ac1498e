"""From bytes to checked values: bounded parsers, strict fields, bodies and queries that refuse unknown names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser

from releases.api.errors import TooLarge

MOST = 2_147_483_647
LARGEST = 1e15
JSON_BYTES = 1 << 20
FORM_BYTES = 1 << 20  # what a form may hold beside its file


class Json(BaseParser):
    """JSON as RFC 8259 has it: UTF-8, no NaN, no NUL characters; bounded in size and depth."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        data = stream.read(JSON_BYTES + 1)
        if len(data) > JSON_BYTES:
            raise TooLarge(f"A JSON body may have {JSON_BYTES} bytes.")
        return read_json(data)


class _ToDisk(TemporaryFileUploadHandler):
    """Remembers its files, because a form that breaks off leaves them to nobody."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.made: list[Any] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.made.append(self.file)

    def close_all_but(self, kept: list[Any]) -> None:
        for file in self.made:
            if file not in kept:
                file.close()


class Form(MultiPartParser):
    """multipart/form-data whose file goes to the disk in chunks, never into memory."""

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> DataAndFiles:
        request = parser_context["request"]
        _check_length(request.META.get("CONTENT_LENGTH"))
        handler = _ToDisk(request)
        request.upload_handlers = [handler]
        kept: list[Any] = []
        try:
            parsed = super().parse(stream, media_type, parser_context)
            kept = [file for _, files in parsed.files.lists() for file in files]
        except (LookupError, ValueError) as error:  # a character set, or a header inside, that does not exist
            raise ParseError("The form cannot be read. Send multipart/form-data in UTF-8.") from error
        finally:
            handler.close_all_but(kept)
        return parsed


def read_json(data: bytes | str) -> Any:
    """Return the value; raises ParseError in words for whatever is no JSON, or not ours."""
    try:
        value = json.loads(data, parse_constant=_no_constant)
        text = json.dumps(value, ensure_ascii=False)
        text.encode()  # lone surrogates cannot be kept
    except RecursionError as error:
        raise ParseError("The JSON is nested too deeply.") from error
    except ValueError as error:
        raise ParseError(f"This is not JSON: {error}") from error
    if "\\u0000" in text.replace("\\\\", ""):
        raise ParseError("Text must not contain NUL characters.")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _check_length(length: str | None) -> None:
    if length and length.isdecimal() and int(length) > settings.UPLOAD_MAX_BYTES + FORM_BYTES:
        limit = settings.UPLOAD_MAX_BYTES // (1 << 20)
        raise TooLarge(f"The upload is larger than {limit} MB. The setting UPLOAD_MAX_MB raises this.")


class Text(serializers.CharField):
    """Text, and only text: a number is not quietly made into one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("This must be text.")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number that every database can keep; in JSON never text, true or 4.0."""

    def __init__(self, *, min_value: int = 1, max_value: int = MOST, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)

    def to_internal_value(self, data: Any) -> int:
        from_text = isinstance(self.root, Query | FormBody) and isinstance(data, str)
        if type(data) is not int and not (from_text and data.isascii() and data.isdecimal() and len(data) < 12):
            raise serializers.ValidationError("This must be a whole number.")
        return super().to_internal_value(data)


class Real(serializers.FloatField):
    """A finite number; in JSON never text or true."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("This must be a number.")
        if not -LARGEST < data < LARGEST:
            raise serializers.ValidationError("This number is too large.")
        return float(data)


class Switch(serializers.BooleanField):
    """true or false; no other spelling."""

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(self.root, Query) and data in ("true", "false"):
            return bool(data == "true")
        if not isinstance(data, bool):
            raise serializers.ValidationError("This must be true or false.")
        return data


class Named(Text):
    """The name of something that must exist; gives the row."""

    def __init__(self, queryset: Any, **options: Any) -> None:
        self.queryset = queryset
        super().__init__(max_length=63, **options)

    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        self.run_validators(name)  # before the database sees it
        row = self.queryset.all().filter(name=name).first()
        if row is None:
            raise serializers.ValidationError(f"There is no {_word(self.queryset.model)} named {name!r}.")
        return row

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The validators look at the name, not at the row."""
        checked, value = self.validate_empty_values(data)
        return value if checked else self.to_internal_value(value)


def _word(model: Any) -> str:
    return "model" if model.__name__ == "MLModel" else str(model._meta.verbose_name)


class Body(serializers.Serializer):
    """What a call may carry; a name that it does not know is refused, because a typing error must not pass silently."""

    refusal = "There is no such field. Known are: {known}."
    also = frozenset({"csrfmiddlewaretoken"})

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields and name not in self.also]
            if unknown:
                words = self.refusal.format(known=", ".join(sorted(self.fields)) or "none")
                raise serializers.ValidationError({str(name): [words] for name in unknown})
        values: dict[str, Any] = super().to_internal_value(data)
        return values


class Query(Body):
    """What may stand behind the question mark."""

    refusal = "There is no such filter. Known are: {known}."
    also = frozenset()


class FormBody(Body):
    """A body that came as a form, in which everything but a file is text."""
