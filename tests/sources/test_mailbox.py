"""The mailbox hands over the newest item, counts the dropped ones and never leaves anybody waiting."""

import threading
import time

from deepvis_toolbox.mailbox import Mailbox


def test_the_newest_item_wins_and_the_older_ones_are_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for item in range(5):
        assert box.put(item)
    assert (box.get(0), box.get(0), box.dropped) == (4, None, 4)


def test_get_waits_for_an_item_that_comes_later() -> None:
    box: Mailbox[str] = Mailbox()
    threading.Timer(0.1, box.put, ["late"]).start()
    begin = time.monotonic()
    assert box.get(5) == "late"
    assert time.monotonic() - begin < 2


def test_get_gives_up_when_its_time_is_over() -> None:
    begin = time.monotonic()
    assert Mailbox[int]().get(0.1) is None
    assert 0.09 <= time.monotonic() - begin < 1


def test_close_wakes_a_reader_that_would_wait_for_ever() -> None:
    box: Mailbox[int] = Mailbox()
    answers: list[int | None] = []
    reader = threading.Thread(target=lambda: answers.append(box.get()))
    reader.start()
    box.close()
    reader.join(2)
    assert answers == [None]


def test_a_closed_mailbox_still_gives_its_item_and_takes_no_other() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.close()
    assert not box.put(2)
    assert (box.get(), box.get(), box.dropped) == (1, None, 0)


def test_none_and_false_are_items_like_any_other() -> None:
    box: Mailbox[bool | None] = Mailbox()
    box.put(False)
    box.put(None)
    assert box.dropped == 1
    assert box.get(0) is None
    box.put(False)
    assert box.get(0) is False


def test_clear_forgets_without_counting() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.clear()
    assert (box.get(0), box.dropped) == (None, 0)


def test_between_two_threads_every_item_is_read_or_counted_and_none_comes_twice_or_out_of_order() -> None:
    box: Mailbox[int] = Mailbox()
    read: list[int] = []

    def reader() -> None:
        while (item := box.get()) is not None:
            read.append(item)

    thread = threading.Thread(target=reader)
    thread.start()
    for item in range(5000):
        box.put(item)
    box.close()
    thread.join(10)
    assert read == sorted(set(read))
    assert read[-1] == 4999
    assert len(read) + box.dropped == 5000
