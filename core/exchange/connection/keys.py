"""An account's keys: from the environment or a file that only we can read, and never shown."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import quote, quote_plus

import tomli

from core.domain.errors import BadInputError

KEYS_FILE = "keys.toml"
_ENVIRONMENT = {
    "api_key": ("QUARTERDECK_API_KEY",),
    "secret": ("QUARTERDECK_API_SECRET", "QUARTERDECK_SECRET"),
    "passphrase": ("QUARTERDECK_API_PASSPHRASE", "QUARTERDECK_PASSPHRASE"),
    "seeds": ("QUARTERDECK_API_SEEDS",),
}
_TESTNET_ENVIRONMENT = {
    "api_key": ("QUARTERDECK_TESTNET_API_KEY",),
    "secret": ("QUARTERDECK_TESTNET_API_SECRET",),
    "passphrase": ("QUARTERDECK_TESTNET_API_PASSPHRASE",),
    "seeds": ("QUARTERDECK_TESTNET_API_SEEDS",),
}
TESTNET_SECTION = "testnet"
MAX_KEYS_BYTES = 1 << 16
_SHORTEST = 8
_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """`secret` is an HMAC secret or a private key in PEM; `seeds` is the seed that ApeX Omni signs orders with."""

    api_key: str
    secret: str
    passphrase: str = field(default="")
    seeds: str = field(default="")

    @property
    def tag(self) -> str:
        """What the operator types to arm this account: the last four characters of the API key."""
        return self.api_key[-4:]

    def secrets(self) -> tuple[str, ...]:
        """Every text that must never appear anywhere, longest first: as given, in lines, as a URL spells it and in
        base64."""
        given = [value for value in (getattr(self, part.name) for part in fields(self)) if value]
        lines = [line for value in given for line in value.splitlines() if not line.startswith("-----")]
        plain = [text for text in (*given, *lines) if len(text) >= _SHORTEST or text in given]
        spelled = {spell(text) for text in plain for spell in (str, quote, _quoted_whole, quote_plus, _json_text)}
        spelled |= {encoded for text in plain if len(text) >= _SHORTEST for encoded in _in_base64(text)}
        return tuple(sorted(spelled, key=lambda text: (-len(text), text)))

    def __repr__(self) -> str:
        return f"Keys(...{self.tag})"


def load_keys(environment: Mapping[str, str], path: Path | None, *, testnet: bool = False) -> Keys | None:
    """Keys from QUARTERDECK_API_KEY, _API_SECRET, _API_PASSPHRASE and _API_SEEDS, else from a TOML file with
    `api_key`, `secret`, `passphrase` and `seeds`: the one that QUARTERDECK_KEYS_FILE names, else `path`.

    With `testnet` those of the test account, and never the others: QUARTERDECK_TESTNET_API_KEY and so on, else the
    section [testnet] of the file. None where neither is there. Raises BadInputError naming the place and the mend.
    """
    named_in = _TESTNET_ENVIRONMENT if testnet else _ENVIRONMENT
    found = {part: value for part, names in named_in.items() if (value := _first(environment, names))}
    if found:
        return _checked(found, "environment", {part: names[0] for part, names in named_in.items()})
    named = environment.get("QUARTERDECK_KEYS_FILE", "")
    if named:
        path = Path(named).expanduser()
        if not path.exists():
            raise BadInputError(f"QUARTERDECK_KEYS_FILE: {path}: no such file; correct the path or unset the variable")
    if path is None or not path.exists():
        return None
    parts = _read(path, testnet)
    if testnet and not parts:
        return None
    return _checked(parts, f"{path}: [{TESTNET_SECTION}]" if testnet else str(path), {part: part for part in named_in})


def keys_mend(*, testnet: bool) -> str:
    """Where an operator puts the keys."""
    if testnet:
        names = f"{_TESTNET_ENVIRONMENT['api_key'][0]} and {_TESTNET_ENVIRONMENT['secret'][0]}"
        return f"set {names}, or write them under [{TESTNET_SECTION}] in keys.toml in the home with mode 0600"
    return "set QUARTERDECK_API_KEY and QUARTERDECK_API_SECRET, or write keys.toml in the home with mode 0600"


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name].strip() for name in names if environment.get(name, "").strip()), "")


def _read(path: Path, testnet: bool) -> dict[str, str]:
    try:
        # A pipe would be waited for.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            # The file that is open is the one that is judged: its name may be given to another meanwhile.
            _check_owner(path, os.fstat(file.fileno()))
            table = tomli.loads(_text(path, file.read(MAX_KEYS_BYTES + 1)))
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: is not UTF-8 text; write it anew as TOML") from None
    except (tomli.TOMLDecodeError, RecursionError) as error:
        # Its text may quote the line, and with it a key.
        line = getattr(error, "lineno", None)
        place = f" at line {line}" if line else ""
        raise BadInputError(f'{path}: is not valid TOML{place}; a line is: api_key = "..."') from None
    of_testnet = table.pop(TESTNET_SECTION, {})
    if not isinstance(of_testnet, dict):
        raise BadInputError(f"{path}: {TESTNET_SECTION}: is a section of its own, begun by [{TESTNET_SECTION}]")
    for section, keys in (("", table), (f"[{TESTNET_SECTION}] ", of_testnet)):
        for part, value in keys.items():
            if part not in _ENVIRONMENT:
                raise BadInputError(f"{path}: {section}{part}: unknown key; known keys: {', '.join(_ENVIRONMENT)}")
            if not isinstance(value, str):
                raise BadInputError(f"{path}: {section}{part}: must be text in quotes")
    return {part: value.strip() for part, value in (of_testnet if testnet else table).items() if value.strip()}


def _text(path: Path, content: bytes) -> str:
    if len(content) > MAX_KEYS_BYTES:
        raise BadInputError(f"{path}: is larger than {MAX_KEYS_BYTES >> 10} KiB; put nothing but the keys into it")
    return content.decode("utf-8-sig")


def _check_owner(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadInputError(f"{path}: is not a file; put the keys into a file that only you can read")
    if status.st_uid != os.geteuid():
        raise BadInputError(f"{path}: belongs to another user; copy it to a file of your own and chmod 600 it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise BadInputError(f"{path}: can be read by others; run: chmod 600 {path}")


def _checked(found: dict[str, str], place: str, names: dict[str, str]) -> Keys:
    for part in ("api_key", "secret"):
        if not found.get(part):
            raise BadInputError(f"{place}: {names[part]} is missing; the API key and its secret go together")
    for part, value in found.items():
        # The log cannot hide a text of fewer than four characters.
        if len(value) < (4 if part == "passphrase" else _SHORTEST):
            raise BadInputError(f"{place}: {names[part]} is too short to be a key; copy it whole from the exchange")
        if not all(character.isprintable() or character in "\r\n" for character in value):
            raise BadInputError(f"{place}: {names[part]} holds a control character; copy it again from the exchange")
    # A private key may come from a variable, in which its lines are often written with "\n".
    secret = found["secret"].replace("\\n", "\n") if "PRIVATE KEY" in found["secret"] else found["secret"]
    return Keys(found["api_key"], secret, found.get("passphrase", ""), found.get("seeds", ""))


def _quoted_whole(text: str) -> str:
    return quote(text, safe="")


def _in_base64(text: str) -> Iterator[str]:
    """In both alphabets, as it stands by itself and behind one or two other characters, its padding left out."""
    data = text.encode()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # The characters that also depend on what is before or behind it are left out.
        encoded = whole[-(-before * 8 // 6) : len(whole) - (1 if (before + len(data)) % 3 else 0)]
        yield encoded
        yield encoded.translate(_URL_SAFE)


def _json_text(text: str) -> str:
    return text.replace("\n", "\\n")
