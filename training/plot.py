"""Draw the training log as an SVG: python plot.py log.csv log.svg"""
import csv
import sys

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt


def main():
    rows = list(csv.DictReader(open(sys.argv[1])))
    minutes, last, base = [], 0, 0
    for r in rows:                                     # stages count their own seconds
        s = float(r["seconds"])
        if s < last:
            base += last
        last = s
        minutes.append((base + s) / 60)
    fig, ax = plt.subplots(figsize=(8, 4))
    for key, label in (("patch_seen", "patches, seen styles"), ("patch_near", "patches, near unseen"), ("patch_far", "patches, far unseen"), ("answers", "all questions, seen styles")):
        points = [(m, 100 * float(r[key])) for m, r in zip(minutes, rows) if r[key]]
        ax.plot(*zip(*points), label=label)
    ax.set_xlabel("minutes of training (two shared CPU cores)")
    ax.set_ylabel("right, %")
    ax.set_ylim(0, 100)
    ax.grid(alpha=0.3)
    ax.legend()
    fig.tight_layout()
    fig.savefig(sys.argv[2])


if __name__ == "__main__":
    main()
