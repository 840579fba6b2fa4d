"""Progress in a file and on a terminal, by a clock that the tests set."""

import io

from nasjax.progress import Progress


class Clock:
    """Seconds that only a test moves on."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_file_gets_plain_lines_half_a_minute_apart_the_first_and_the_last_always():
    file, clock = io.StringIO(), Clock()
    progress = Progress(10, "rounds", file=file, clock=clock)
    for _ in range(10):  # the first count after 7 s, then one every 7 s
        clock.now += 7
        progress.update()
    progress.close()
    lines = file.getvalue().splitlines()
    # Counts 1 (7 s), 6 (42 s: the first that is 30 s later) and, at the end, 10 (70 s).
    assert [line.split(",")[0] for line in lines] == ["1/10 rounds", "6/10 rounds", "10/10 rounds"]
    assert "42 s" in lines[1] and "\r" not in file.getvalue() and "\x1b" not in file.getvalue()


def test_the_last_line_is_not_written_twice():
    file, clock = io.StringIO(), Clock()
    with Progress(1, "rounds", file=file, clock=clock) as progress:
        progress.update()
    progress.close()
    assert len(file.getvalue().splitlines()) == 1


def test_a_line_names_what_is_under_way_and_what_was_found():
    file = io.StringIO()
    with Progress(3, "rounds", initial=1, file=file, clock=Clock()) as progress:
        progress.describe("digits")
        progress.show(best="97.00%", trained=4)
    assert file.getvalue() == "digits: 1/3 rounds, best=97.00%, trained=4, 0 s\n"


def test_rounds_of_an_earlier_process_take_no_part_in_the_rate():
    file, clock = io.StringIO(), Clock()
    with Progress(100, "rounds", initial=90, file=file, clock=clock) as progress:
        clock.now += 2
        progress.update(4)
    assert file.getvalue() == "94/100 rounds, 2 s, 2 rounds/s\n"


def test_a_terminal_gets_one_line_that_updates():
    terminal = Terminal()
    with Progress(2, "rounds", file=terminal) as progress:
        progress.update()
        progress.show(best="97.00%")
        progress.update()
    shown = terminal.getvalue()
    assert "\r" in shown and shown.count("\n") == 1 and "2/2" in shown and "best=97.00%" in shown


def test_what_is_not_shown_writes_nothing_and_counts():
    file = io.StringIO()
    with Progress(2, "rounds", shown=False, file=file) as progress:
        progress.update(2)
        progress.show(best=1)
    assert file.getvalue() == "" and progress.count == 2
