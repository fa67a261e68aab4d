"""Does one piece of work after the other until it is asked to end."""

import itertools
import signal
import threading

ended = threading.Event()


def work(number: int) -> None:
    """Do one piece; a second's worth."""
    print(f"piece {number} begins", flush=True)
    threading.Event().wait(1)
    print(f"piece {number} is done", flush=True)


def main() -> None:
    """Work until SIGTERM; what has begun is finished."""
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for number in itertools.count(1):
        if ended.is_set():
            break
        work(number)
    print("ended, with nothing half done", flush=True)


if __name__ == "__main__":
    main()
