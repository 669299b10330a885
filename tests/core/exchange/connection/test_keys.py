import base64
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from core.domain.errors import BadInputError
from core.exchange.connection.keys import Keys, load_keys

PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGNhcmVmdWxseQ==\n-----END PRIVATE KEY-----\n"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_keys_come_from_the_environment_before_any_file(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.toml", 'api_key = "from-file-key"\nsecret = "from-file-secret"\n')
    environment = {"QUARTERDECK_API_KEY": "from-env-key", "QUARTERDECK_API_SECRET": "from-env-secret"}
    assert load_keys(environment, path) == Keys("from-env-key", "from-env-secret")


@pytest.mark.parametrize("prefix", ["QUARTERDECK_API_", "QUARTERDECK_"])
def test_secret_and_passphrase_have_two_names(prefix: str) -> None:
    environment = {
        "QUARTERDECK_API_KEY": "an-api-key",
        f"{prefix}SECRET": "a-secret-of-it",
        f"{prefix}PASSPHRASE": "a-phrase",
        "QUARTERDECK_API_SEEDS": "0x0123456789",
    }
    assert load_keys(environment, None) == Keys("an-api-key", "a-secret-of-it", "a-phrase", "0x0123456789")


def test_a_named_file_comes_before_that_of_the_home(tmp_path: Path) -> None:
    named = write(tmp_path / "named.toml", 'api_key = "named-key"\nsecret = "named-secret"\n')
    home = write(tmp_path / "keys.toml", 'api_key = "home-key"\nsecret = "home-secret"\n')
    keys = load_keys({"QUARTERDECK_KEYS_FILE": str(named)}, home)
    assert keys is not None
    assert keys.api_key == "named-key"


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.toml", '\ufeffapi_key = "some-key"\nsecret = "some-secret"\n')
    keys = load_keys({}, path)
    assert keys is not None
    assert keys.api_key == "some-key"


def test_no_keys_anywhere_is_none(tmp_path: Path) -> None:
    assert load_keys({}, tmp_path / "keys.toml") is None
    assert load_keys({}, None) is None


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        load_keys({"QUARTERDECK_KEYS_FILE": str(tmp_path / "none.toml")}, None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused_with_its_mend(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "keys.toml", 'api_key = "some-key"\nsecret = "some-secret"\n', mode)
    with pytest.raises(BadInputError, match=f"chmod 600 {path}"):
        load_keys({}, path)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "keys.toml", 'api_key = "some-key"\nsecret = "some-secret"\n')
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    with pytest.raises(BadInputError, match="belongs to another user"):
        load_keys({}, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('api_key = "only-the-key"\n', "secret is missing"),
        ('secret = "only-the-secret"\n', "api_key is missing"),
        ('api_key = "k"\nsecret = "some-secret"\n', "api_key is too short"),
        ('api_key = "some-key"\nsecret = "some-secret"\npassphrase = "abc"\n', "passphrase is too short"),
        ('apikey = "some-key"\nsecret = "some-secret"\n', "apikey: unknown key"),
        ("api_key = 12345678\n", "api_key: must be text"),
        ('api_key = "planted-secret-text\n', "not valid TOML"),
        ("api_key = " + 50_000 * "[", "not valid TOML"),
        ("#" * 70_000, "is larger than 64 KiB; put nothing but the keys into it"),
    ],
)
def test_a_wrong_file_is_named_without_what_it_holds(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "keys.toml", text)
    with pytest.raises(BadInputError, match=said) as caught:
        load_keys({}, path)
    assert str(path) in str(caught.value)
    assert "some-secret" not in str(caught.value)
    assert "planted" not in str(caught.value)


def test_half_of_the_keys_in_the_environment_is_an_error() -> None:
    with pytest.raises(BadInputError, match="QUARTERDECK_API_SECRET is missing"):
        load_keys({"QUARTERDECK_API_KEY": "an-api-key"}, None)


def test_a_private_key_keeps_its_lines_also_from_a_variable() -> None:
    environment = {"QUARTERDECK_API_KEY": "an-api-key", "QUARTERDECK_API_SECRET": PEM.strip().replace("\n", "\\n")}
    keys = load_keys(environment, None)
    assert keys is not None
    assert keys.secret == PEM.strip()


def test_only_the_tag_is_shown() -> None:
    keys = Keys("apikey-9876-TAG1", "the-secret-text", "the-phrase", "the-seed-text")
    assert keys.tag == "TAG1"
    for text in (repr(keys), str(keys), f"{keys}", repr({"keys": keys})):
        assert "TAG1" in text
        assert not any(secret in text for secret in keys.secrets())


def test_secrets_are_listed_in_every_spelling_longest_first() -> None:
    keys = Keys("key/with+signs=", PEM, "phrase", "seed words")
    secrets = keys.secrets()
    assert list(secrets) == sorted(secrets, key=lambda text: (-len(text), text))
    assert {"key/with+signs=", quote("key/with+signs="), quote("key/with+signs=", safe="")} <= set(secrets)
    assert {PEM, PEM.replace("\n", "\\n"), "MC4CAQAwBQYDK2VwBCIEIGNhcmVmdWxseQ==", "seed+words", "phrase"} <= set(
        secrets
    )


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz", "user:"])
@pytest.mark.parametrize("behind", ["", "1", "12", "\n"])
def test_a_secret_is_hidden_in_base64_wherever_it_begins(before: str, behind: str) -> None:
    keys = Keys("key/with+signs=", "a-secret-of-some-length?~", "phrase", "seed words")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(f"{before}{keys.secret}{behind}".encode()).decode()
        hidden = next(found for found in keys.secrets() if found in text)
        assert len(text.replace(hidden, "").rstrip("=")) <= 4 * (len(before) + len(behind) + 2) // 3 + 2


def test_a_pipe_in_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys.toml", 0o600)
    with pytest.raises(BadInputError, match="is not a file"):
        load_keys({}, tmp_path / "keys.toml")


TESTNET_ENVIRONMENT = {"QUARTERDECK_TESTNET_API_KEY": "a-test-key", "QUARTERDECK_TESTNET_API_SECRET": "a-test-secret"}
REAL_ENVIRONMENT = {"QUARTERDECK_API_KEY": "a-real-key", "QUARTERDECK_API_SECRET": "a-real-secret"}
BOTH_IN_A_FILE = """api_key = "a-real-key"
secret = "a-real-secret"

[testnet]
api_key = "a-test-key"
secret = "a-test-secret"
"""
TEST_KEYS, REAL_KEYS = Keys("a-test-key", "a-test-secret"), Keys("a-real-key", "a-real-secret")


def test_a_test_account_has_keys_of_its_own_and_never_the_real_ones(tmp_path: Path) -> None:
    both = REAL_ENVIRONMENT | TESTNET_ENVIRONMENT
    assert load_keys(both, None, testnet=True) == TEST_KEYS
    assert load_keys(both, None) == REAL_KEYS
    assert load_keys(REAL_ENVIRONMENT, None, testnet=True) is None
    assert load_keys(TESTNET_ENVIRONMENT, None) is None
    path = write(tmp_path / "keys.toml", BOTH_IN_A_FILE)
    assert load_keys(REAL_ENVIRONMENT, path, testnet=True) == TEST_KEYS
    assert load_keys(TESTNET_ENVIRONMENT, path) == REAL_KEYS
    assert load_keys({"QUARTERDECK_KEYS_FILE": str(path)}, None, testnet=True) == TEST_KEYS
    real = write(tmp_path / "real.toml", 'api_key = "a-real-key"\nsecret = "a-real-secret"\n')
    assert load_keys({}, real, testnet=True) is None
    test_only = write(tmp_path / "test.toml", '[testnet]\napi_key = "a-test-key"\nsecret = "a-test-secret"\n')
    assert load_keys({}, test_only, testnet=True) == TEST_KEYS
    with pytest.raises(BadInputError, match="api_key is missing"):
        load_keys({}, test_only)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[testnet]\napi_key = "a-test-key"\n', r"\[testnet\]: secret is missing"),
        ("testnet = true\n", r"testnet: is a section of its own, begun by \[testnet\]"),
        ('[testnet]\nkey = "a-test-key"\n', r"\[testnet\] key: unknown key; known keys: api_key"),
        ("[testnet]\napi_key = 7\n", r"\[testnet\] api_key: must be text in quotes"),
    ],
)
def test_a_mistake_in_the_section_of_the_test_account_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "keys.toml", text)
    with pytest.raises(BadInputError, match=said):
        load_keys({}, path, testnet=True)
