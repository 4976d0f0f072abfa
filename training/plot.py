"""Draw the training log as an SVG: python plot.py log.csv log.svg"""
import csv
import sys

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt


def main():
    rows = list(csv.DictReader(open(sys.argv[1])))

    def clock(r):
        h, m, s = map(int, r["time"].split(":"))
        return h * 60 + m + s / 60

    start = clock(rows[0])
    fig, ax = plt.subplots(figsize=(8, 4))
    for key, label in (("patch_seen", "patches, seen styles"), ("patch_near", "patches, near unseen style"), ("patch_far", "patches, far unseen style"),
                       ("answers", "all questions, seen styles")):
        points = [(clock(r) - start, 100 * float(r[key])) for r in rows if r[key]]
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
