"""Draw the training log as an SVG: python plot.py log.csv log.svg"""
import csv
import sys

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt

DAY = 24 * 60
# Minutes without a figure that no line bridges.
PAUSE = 20


def main():
    rows = list(csv.DictReader(open(sys.argv[1])))

    minutes = []
    for r in rows:
        h, m, s = map(int, r["time"].split(":"))
        minute = h * 60 + m + s / 60
        while minutes and minute < minutes[-1] - DAY / 2:
            minute += DAY
        minutes.append(minute)

    fig, ax = plt.subplots(figsize=(8, 4))
    # A joint run shows the patches of the tower that it began with or trains more slowly.
    for key, stage, label in (("patch_seen", "tower", "patches, seen styles"), ("patch_near", "tower", "patches, near unseen style"),
                              ("patch_far", "tower", "patches, far unseen style"), ("answers", "joint", "all questions, seen styles")):
        points = []
        for minute, r in zip(minutes, rows):
            if r["stage"] != stage or not r[key]:
                continue
            x = minute - minutes[0]
            if points and x - points[-1][0] > PAUSE:
                points.append((x, float("nan")))
            points.append((x, 100 * float(r[key])))
        ax.plot(*zip(*points), label=label)
    ax.set_xlabel("minutes (two shared CPU cores)")
    ax.set_ylabel("right, %")
    ax.set_ylim(0, 100)
    ax.grid(alpha=0.3)
    ax.legend()
    fig.tight_layout()
    fig.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
