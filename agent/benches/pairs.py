"""Times two builds of the program in turn, so that what the machine does meanwhile counts for both.

    python3 agent/benches/pairs.py BEFORE NOW [SECONDS]

Run it in the repository's root on a machine with nothing else to do. For every row of `bench --quick`, and for some commands as a
whole, it prints the median and the quartiles of the ratio of speeds, NOW over BEFORE: above one the later build is faster.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

FAMILIES = [f"scenarios/{name}" for name in ("cut_in", "following", "lane_keeping", "oncoming", "sensor_faults")]
FELL_SHORT = 1


def run(program, *arguments):
    """Seconds that a command takes, and what it prints; a command that cannot be carried out ends everything."""
    start = time.perf_counter()
    ended = subprocess.run([program, *arguments], capture_output=True, text=True)
    if ended.returncode not in (0, FELL_SHORT):
        sys.exit(f"{program} {' '.join(arguments)}: exit code {ended.returncode}\n{ended.stderr}")
    return time.perf_counter() - start, ended.stdout


def bench(program):
    cells = (re.split("[┆│]", line) for line in run(program, "bench", "--quick")[1].splitlines())
    cells = ([cell.strip() for cell in row if cell.strip()] for row in cells)
    return {row[0]: float(row[1]) for row in cells if len(row) > 2 and re.fullmatch(r"[\d.]+", row[1])}


def decisions(folder):
    """Lines of all traces: drives of two builds can differ in length."""
    files = (os.path.join(folder, name) for name in sorted(os.listdir(folder)))
    return sum(len(open(file, encoding="utf-8").readlines()) for file in files)


def replay(driver):
    def work(program):
        with tempfile.TemporaryDirectory() as folder:
            seconds, _ = run(program, "replay", *FAMILIES, "--driver", driver, "--traces", folder)
            return {f"replay --driver {driver}, decisions": decisions(folder) / seconds}

    return work


def whole(name, *arguments):
    return lambda program: {name: 1.0 / run(program, *arguments)[0]}


WORKS = [
    bench,
    replay("scripted"),
    replay("shipped"),
    whole("evaluate --roads 20", "evaluate", "--roads", "20"),
    bench,
]


def main():
    before, now = (os.path.abspath(program) for program in sys.argv[1:3])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 300.0
    ratios = {}
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for work in WORKS:
            order = (before, now) if turn % 2 == 0 else (now, before)
            speeds = {program: work(program) for program in order}
            for row in speeds[before].keys() & speeds[now].keys():
                ratios.setdefault(row, []).append(speeds[now][row] / speeds[before][row])
            turn += 1
    for row in sorted(ratios):
        low, middle, high = statistics.quantiles(ratios[row], n=4) if len(ratios[row]) > 1 else 3 * ratios[row]
        print(f"{row:62} {middle:.3f} ({low:.3f} to {high:.3f}), {len(ratios[row])} pairs")


if __name__ == "__main__":
    main()
