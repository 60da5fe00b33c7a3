"""The keys that herdsite makes for itself: once, whole, and for nobody else to read."""

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from herdsite.keys import make_keys, write_once


def contents(var):
    return {path.relative_to(var): path.read_bytes() for path in var.rglob("*") if path.is_file()}


def test_keys_are_made_once(tmp_path):
    assert make_keys(tmp_path)
    first = contents(tmp_path)
    assert not make_keys(tmp_path)
    assert contents(tmp_path) == first


def test_what_is_missing_is_made_and_the_rest_is_kept(tmp_path):
    make_keys(tmp_path)
    first = contents(tmp_path)
    (tmp_path / "fernet_keys").unlink()
    (tmp_path / "ssh" / "id_ed25519.pub").unlink()
    assert make_keys(tmp_path)
    changed = {str(path) for path, data in contents(tmp_path).items() if first[path] != data}
    assert changed == {"fernet_keys"}


def test_only_we_may_read_them(tmp_path):
    make_keys(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o600}


def test_they_are_what_they_are_for(tmp_path):
    make_keys(tmp_path)
    fernet = Fernet((tmp_path / "fernet_keys").read_text().strip())
    assert fernet.decrypt(fernet.encrypt(b"a secret")) == b"a secret"
    private = load_ssh_private_key((tmp_path / "ssh" / "id_ed25519").read_bytes(), None)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert (tmp_path / "ssh" / "id_ed25519.pub").read_text() == f"{public} herdsite\n"
    assert len((tmp_path / "secret_key").read_text().strip()) >= 50


def test_what_a_killed_start_left_half_written_is_no_obstacle(tmp_path):
    (tmp_path / "secret.part").write_text("hal")
    assert write_once(tmp_path / "secret", "whole") == "whole\n"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
