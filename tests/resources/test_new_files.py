"""A file is there whole, once."""

import errno
import threading

import pytest

from torghut_assets.resources.new_files import write_new


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_and_nothing_else_stays(tmp_path):
    write_new(tmp_path / "deep" / "file", b"content")
    assert (tmp_path / "deep" / "file").read_bytes() == b"content"
    assert names(tmp_path / "deep") == ["file"]


def test_a_file_that_is_there_is_never_replaced(tmp_path):
    write_new(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_a_death_before_the_last_step_leaves_no_file(tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.link", die)
    with pytest.raises(KeyboardInterrupt):
        write_new(tmp_path / "file", b"content")
    assert not (tmp_path / "file").exists()


def test_a_disk_without_links_still_never_replaces(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", refuse)
    write_new(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"


def test_another_trouble_of_the_disk_is_not_hidden(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("os.link", full)
    with pytest.raises(OSError, match="full"):
        write_new(tmp_path / "file", b"content")
    assert names(tmp_path) == []


def test_of_many_writers_exactly_one_wins(tmp_path):
    won = []

    def write(number):
        try:
            write_new(tmp_path / "file", b"%d" % number * 10_000)
        except FileExistsError:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "file").read_bytes() == b"%d" % won[0] * 10_000
    assert names(tmp_path) == ["file"]
