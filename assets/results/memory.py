"""Watches the memory of a training: resident set and its peak, every few seconds, as CSV and as a curve in SVG.

    python3 assets/results/memory.py --minutes 60 --out assets/results/memory target/release/roadproof train ...

The training is stopped as by Ctrl-C when the minutes are over, so that what was learnt is saved. Works where there is /proc.
"""
import argparse
import re
import signal
import subprocess
import sys
import threading
import time

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 300, 64, 44, 16, 16


def status(pid):
    text = open(f"/proc/{pid}/status").read()
    return [int(re.search(name + r":\s+(\d+) kB", text)[1]) / 1024 for name in ("VmRSS", "VmHWM")]


def curve(rows, begun):
    minutes, most = rows[-1][0] / 60, max(row[1] for row in rows) * 1.15
    across = lambda t: LEFT + t / 60 / minutes * (WIDTH - LEFT - RIGHT)
    up = lambda mib: HEIGHT - BOTTOM - mib / most * (HEIGHT - BOTTOM - TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    step = 50 if most < 500 else 200
    for mib in range(0, int(most) + 1, step):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(mib):.1f}" y2="{up(mib):.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{up(mib) + 4:.1f}" text-anchor="end">{mib}</text>')
    for minute in range(0, int(minutes) + 1, 10 if minutes > 20 else 1):
        parts.append(f'<text x="{across(60 * minute):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{minute}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">minutes of training; resident memory in MiB</text>')
    for place, (at, stage) in enumerate(begun):
        parts.append(f'<line x1="{across(at):.1f}" x2="{across(at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#999" '
                     f'stroke-dasharray="3 3"/><text x="{across(at) + 4:.1f}" y="{TOP + 10 + 15 * place}" fill="#555">{stage}</text>')
    line = " ".join(f"{across(t):.1f},{up(rss):.1f}" for t, rss, _ in rows)
    parts.append(f'<polyline fill="none" stroke="#4c8ed9" stroke-width="2" points="{line}"/></svg>')
    return "\n".join(parts) + "\n"


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--minutes", type=float, default=60.0)
    words.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    words.add_argument("--out", required=True, help="name of the files, without .csv and .svg")
    words.add_argument("command", nargs=argparse.REMAINDER)
    given = words.parse_args()
    child = subprocess.Popen(given.command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    start, rows, begun = time.monotonic(), [], []

    def listen():
        for line in child.stderr:
            sys.stderr.write(line)
            if found := re.match(r"(\w+): started", line):
                begun.append((time.monotonic() - start, found[1]))

    threading.Thread(target=listen, daemon=True).start()
    while child.poll() is None and time.monotonic() - start < 60 * given.minutes:
        try:
            rows.append((time.monotonic() - start, *status(child.pid)))
        except (FileNotFoundError, TypeError):
            break
        time.sleep(given.every)
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    child.wait()
    with open(given.out + ".csv", "w") as file:
        file.write("seconds,resident_mib,peak_mib\n")
        file.writelines(f"{t:.0f},{rss:.1f},{peak:.1f}\n" for t, rss, peak in rows)
    with open(given.out + ".svg", "w") as file:
        file.write(curve(rows, begun))
    learning = [row for row in rows if begun and begun[-1][1] == "learn" and row[0] > begun[-1][0] + 60]
    if learning:
        part = max(1, len(learning) // 6)
        mean = lambda rows: sum(row[1] for row in rows) / len(rows)
        first, last = mean(learning[:part]), mean(learning[-part:])
        print(f"learning: {first:.1f} MiB in its first sixth behind the first minute, {last:.1f} MiB in its last, "
              f"{100 * (last / first - 1):+.1f} %")


main()
