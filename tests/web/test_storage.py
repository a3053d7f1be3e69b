"""The folder of uploads and drawn pictures stays small."""

import os
import threading
import time

from oneseed.web.storage import Storage


def write(folder, name, size, age=0.0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    written = time.time() - age
    os.utime(path, (written, written))
    return path


def held(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_oldest_files_make_room_for_the_next(tmp_path):
    """Uploads had a limit each and none together: 40 files of 9 MB were 361 MB."""
    forgotten = set()
    storage = Storage(tmp_path, most_bytes=100, forget=forgotten.update)
    for number in range(4):
        write(tmp_path, f"{number}/f.png", 30, age=100 - number)
    with storage.room_for(30):
        assert held(tmp_path) == ["2", "2/f.png", "3", "3/f.png"]
        write(tmp_path, "4/f.png", 30)
    assert forgotten == {str(tmp_path / "0/f.png"), str(tmp_path / "1/f.png")}
    storage.tidy()
    assert held(tmp_path) == ["2", "2/f.png", "3", "3/f.png", "4", "4/f.png"]


def test_many_small_files_and_old_ones_go_too(tmp_path):
    storage = Storage(tmp_path, most_files=3, lifetime=3600)
    for number in range(5):
        write(tmp_path, f"{number}.png", 1, age=100 - number)
    write(tmp_path, "old.png", 1, age=3700)
    storage.tidy()
    assert held(tmp_path) == ["2.png", "3.png", "4.png"]


def test_uploads_at_the_same_time_share_the_room(tmp_path):
    storage = Storage(tmp_path, most_bytes=100)
    begun = threading.Barrier(4)

    def upload(number):
        with storage.room_for(40):
            begun.wait(10)
            write(tmp_path, f"{number}.png", 40)
        storage.tidy()

    threads = [threading.Thread(target=upload, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100
    assert storage.reserved == 0


def test_a_link_out_of_the_folder_is_removed_and_not_followed(tmp_path):
    outside = write(tmp_path, "outside/precious.txt", 500)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    Storage(folder, most_bytes=10, lifetime=-1).tidy()
    assert outside.read_bytes() == b"x" * 500
