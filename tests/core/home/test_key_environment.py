"""Keys stay in one process: what `quarterdeck` starts does not find them in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.compute.lanes import WorkerPool
from core.domain.errors import SettingsError
from core.home import key_environment
from core.settings.schema import parse_settings

ROOT = Path(__file__).parents[3]
KEYS = {
    "QUARTERDECK_API_KEY": "a-key-of-some-length",
    "QUARTERDECK_API_SECRET": "a-secret-of-some-length",
    "QUARTERDECK_SECRET": "an-older-name-of-it",
    "QUARTERDECK_PASSPHRASE": "a-phrase",
    "QUARTERDECK_API_SEEDS": "seeds",
    "QUARTERDECK_TESTNET_API_KEY": "another-key-of-some-length",
    "QUARTERDECK_TESTNET_API_SECRET": "another-secret",
    "QUARTERDECK_KEYS_FILE": "/run/keys.toml",
}


@pytest.fixture
def _withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_environment, "_withdrawn", {})
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("QUARTERDECK_HOME", "/somewhere")
    key_environment.withdraw_keys(os.environ)


@pytest.mark.usefixtures("_withdrawn")
def test_this_process_still_has_what_it_was_started_with() -> None:
    assert KEYS.keys() & os.environ.keys() == set()
    assert KEYS.items() <= key_environment.key_environment().items()
    assert os.environ["QUARTERDECK_HOME"] == "/somewhere"


@pytest.mark.usefixtures("_withdrawn")
def test_the_names_of_given_keys_are_known_and_no_more() -> None:
    """That a file of keys was named tells no key."""
    assert key_environment.keys_in_environment() == sorted(KEYS.keys() - {"QUARTERDECK_KEYS_FILE"})


@pytest.mark.usefixtures("_withdrawn")
async def test_a_worker_does_not_find_them() -> None:
    pool = WorkerPool(1, 0)
    try:
        assert [await pool.infer(os.getenv, name) for name in KEYS] == [None] * len(KEYS)
    finally:
        await pool.close()


@pytest.mark.usefixtures("_withdrawn")
def test_a_process_that_is_started_does_not_find_them() -> None:
    told = "import os; print(sorted(name for name in os.environ if name.startswith('QUARTERDECK_')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['QUARTERDECK_HOME']"


def test_the_command_takes_them_out_before_anything_else() -> None:
    script = (
        "import os, sys; sys.argv = ['quarterdeck', '--version']; import quarterdeck\n"
        "try: quarterdeck.main()\n"
        "except SystemExit: print([name for name in os.environ if 'KEY' in name or 'SECRET' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **KEYS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.1:8786", "scheduler.example:8786", "ws://h:1", "tcp://127.0.0.1.example:1", "tcp://[fe80::1]:1"],
)
def test_a_scheduler_on_another_machine_needs_tls(address: str) -> None:
    with pytest.raises(SettingsError, match="whoever reaches it runs code as you: write tls"):
        parse_settings({"compute": {"backend": "dask", "scheduler": address}}, "test")


@pytest.mark.parametrize("address", ["tls://10.0.0.1:8786", "tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:1"])
def test_one_here_or_behind_tls_is_taken(address: str) -> None:
    assert parse_settings({"compute": {"backend": "dask", "scheduler": address}}, "test").compute.scheduler == address
