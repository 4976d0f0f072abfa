"""Train pebble: two processes of one thread each, side by side or one after the other.

    python train.py tower --minutes 45           tower and per-patch head alone, crowded scenes -> work/tower.pt
    python train.py joint --minutes 50 --compile projector and language model -> work/pebble.pt, on the features of the newest tower.pt

The tower learns from its patch labels only: the gradients of an untrained language model undo what it knows. `joint --attach 0.8` lets answers'
gradients reach the tower in the last fifth. One thread each: on a shared machine threads that wait for one another lose more than they bring.
Both can be taken up again from their files and append to work/log.csv. The learning rate falls linearly over the last part of a run.
"""
import argparse
import csv
import multiprocessing as mp
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import data
from model import Pebble
from optim import Muon
from world import IGNORE, MEAN, N_LABELS, STD

WORK = pathlib.Path(__file__).parent / "work"
MEAN_T, STD_T = (torch.from_numpy(a).view(1, 3, 1, 1) for a in (MEAN, STD))


def normalise(pixels):
    """uint8 [B,H,W,3] -> float [B,3,H,W]."""
    return ((pixels.permute(0, 3, 1, 2).float() / 255) - MEAN_T) / STD_T


def patch_loss(logits, labels):
    """Per-patch cross-entropy, background weighing a quarter."""
    weight = torch.ones(N_LABELS)
    weight[0] = 0.25
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), weight=weight, ignore_index=IGNORE)


def place_loss(head, rows):
    """Can a linear map tell the column and the row of every patch? Without this loss features forget where they are."""
    b, n, _ = rows.shape
    g = int(n ** 0.5)
    at = torch.arange(n)
    target = torch.stack([at % g, at // g], 1).expand(b, n, 2)
    return F.cross_entropy(head(rows).float().view(-1, g), target.reshape(-1))


def centre_loss(head, rows, centres):
    """How much of an item's centre lies in each patch: binary cross-entropy against the weights of `world.centre_weights`."""
    return F.binary_cross_entropy_with_logits(head(rows).float().squeeze(-1), centres)


def patch_accuracy(model, scenes):
    """Share of item patches and of sign patches labelled right, and the mean error of the number of centres in a scene."""
    right, total, error, n = [0, 0], [0, 0], 0.0, 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for pixels, labels, centres in scenes:
            features = model.tower(normalise(pixels))
            guess = model.head(features).float().argmax(-1)
            for k, mask in enumerate(((labels > 0) & (labels <= data.N_CLASSES), labels > data.N_CLASSES)):
                right[k] += (guess == labels)[mask].sum().item()
                total[k] += mask.sum().item()
            error += (model.tower_centre(features).float().sigmoid().sum((1, 2)) - centres.sum(1)).abs().sum().item()
            n += len(labels)
    return right[0] / max(1, total[0]), right[1] / max(1, total[1]), error / n


def split_params(model, names):
    """Muon's and AdamW's parameters among the modules whose names start with one of `names`."""
    muon, adam = [], []
    for name, p in model.named_parameters():
        if not name.startswith(tuple(names)):
            continue
        if p.ndim == 2 and "layers." in name:
            muon.append((p, 3 if "qkv" in name else 2 if "gate_up" in name else 1))
        else:
            adam.append(p)
    return muon, adam


class Clock:
    """Learning-rate factor: warm-up over 30 steps, then constant, then linear decay to `floor` over the last part of the time.

    Time is this process's own processor time (it has one thread), so a run that is paused or crowded out still gets its whole schedule;
    unless `by`, a time of day HH:MM, comes sooner."""

    def __init__(self, minutes, floor=0.02, decay=0.4, by=None):
        self.start, self.total, self.floor, self.decay = time.process_time(), minutes * 60, floor, decay
        self.begun, now = time.time(), time.localtime()
        hour, minute = map(int, by.split(":")) if by else (0, 0)
        self.wall = (60 * (60 * (hour - now.tm_hour) + minute - now.tm_min) - now.tm_sec) % 86400 if by else float("inf")

    def seconds(self):
        return time.process_time() - self.start

    def progress(self):
        return max(self.seconds() / self.total, (time.time() - self.begun) / self.wall)

    def factor(self, step):
        return min(1, (step + 1) / 30) * max(self.floor, min(1, (1 - self.progress()) / self.decay))


def log(row):
    path = WORK / "log.csv"
    new = not path.exists()
    with open(path, "a", newline="") as f:
        w = csv.DictWriter(f, fieldnames=["stage", "time", "seconds", "step", "images", "loss", "patch_loss", "lr", "patch_seen", "patch_near", "patch_far", "answers"])
        if new:
            w.writeheader()
        w.writerow({k: (f"{v:.4g}" if isinstance(v, float) else v) for k, v in row.items()})
    print(row, flush=True)


TOWER_PARTS = ("tower.", "tower_place.", "tower_centre.", "head.")


def save(model, path, parts=None):
    """Replace a checkpoint at once, so that a reader never sees half of it."""
    state = {k: v for k, v in model.state_dict().items() if parts is None or k.startswith(parts)}
    tmp = path.with_suffix(".tmp")
    torch.save(state, tmp)
    os.replace(tmp, path)


def load_into(model, path, parts=None):
    """Load what a checkpoint holds; False when there is none."""
    if not path.exists():
        return False
    state = torch.load(path)
    model.load_state_dict({k: v for k, v in state.items() if parts is None or k.startswith(parts)}, strict=False)
    return True


def start_generator(target, *args):
    queue = mp.Queue(8)
    process = mp.Process(target=target, args=(queue, *args), daemon=True)
    process.start()
    (WORK / f"{target.__name__}.pid").write_text(str(process.pid))
    return queue


def train_tower(args, model):
    queue = start_generator(data.tower_batches, args.batch, args.seed)
    held = data.load_held_patches()
    muon_params, adam_params = split_params(model, TOWER_PARTS)
    muon, adam = Muon(muon_params), torch.optim.AdamW(adam_params, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    forward = torch.compile(model.tower) if args.compile else model.tower
    clock, step, images, pool = Clock(args.minutes, args.floor, args.decay), 0, 0, []
    rng = np.random.default_rng(args.seed)
    last = last_log = time.time()
    recent = []
    while clock.progress() < 1:
        # a scene costs a fifth of a step on it: three batches of four are mixed from older ones
        if len(pool) < 8 or (step % 4 == 0 and not queue.empty()):
            pixels, labels, centres = queue.get()
            pool.append((pixels, labels, centres))
            if len(pool) > 1200:
                pool.pop(int(rng.integers(600)))
        else:
            two = rng.integers(len(pool), size=2)
            h = args.batch // 2
            pick = [rng.permutation(args.batch)[:h] for _ in two]
            pixels, labels, centres = (np.concatenate([pool[i][k][j] for i, j in zip(two, pick)]) for k in range(3))
        f = clock.factor(step)
        with torch.autocast("cpu", torch.bfloat16):
            features = forward(normalise(torch.from_numpy(pixels)))
            logits = model.head(features)
            place = place_loss(model.tower_place, features)
            centre = centre_loss(model.tower_centre, features, torch.from_numpy(centres))
        loss = patch_loss(logits, torch.from_numpy(labels))
        (loss + args.place * place + args.centre * centre).backward()
        muon.step(args.lr * f)
        for g in adam.param_groups:
            g["lr"] = 1e-3 * f
        adam.step()
        model.zero_grad(set_to_none=True)
        step += 1
        images += args.batch
        recent.append(loss.item())
        if time.time() - last_log > 120:
            acc = {k: patch_accuracy(model, v) for k, v in held.items()}
            print("    centre loss", round(centre.item(), 3), "items, signs, error of the number:", {k: [round(x, 3) for x in v] for k, v in acc.items()}, flush=True)
            log({"stage": "tower", "time": time.strftime("%H:%M:%S"), "seconds": round(clock.seconds()), "step": step, "images": images,
                 "patch_loss": float(np.mean(recent)), "lr": f, **{f"patch_{k}": v[0] for k, v in acc.items()}})
            recent, last_log = [], time.time()
        if time.time() - last > 150:
            save(model, WORK / "tower.pt", TOWER_PARTS)
            last = time.time()
    save(model, WORK / "tower.pt", TOWER_PARTS)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stage", choices=["tower", "joint"])
    parser.add_argument("--minutes", type=float, required=True, help="of processor time")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--floor", type=float, default=0.02, help="least learning-rate factor at the end of the stage")
    parser.add_argument("--decay", type=float, default=0.4, help="last part of the time in which the rate falls")
    parser.add_argument("--attach", type=float, default=1.0, help="share of the joint stage after which answers' gradients reach the tower")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--adam", type=float, default=1e-3, help="AdamW's rate for embeddings, norms, biases and heads")
    parser.add_argument("--tower-rate", type=float, default=0.3, help="the tower's share of the rates in the joint stage")
    parser.add_argument("--words", type=float, default=0.3, help="weight of the word loss on the projector")
    parser.add_argument("--point", type=float, default=1.0, help="weight of the pointer losses")
    parser.add_argument("--point-start", action="store_true", help="start the looking-up heads by likeness of word and image row")
    parser.add_argument("--every", type=float, default=120, help="seconds between figures")
    parser.add_argument("--pebble", default="pebble.pt", help="the checkpoint in work/ that the joint stage goes on from and writes")
    parser.add_argument("--centre", type=float, default=3.0, help="weight of the centre loss")
    parser.add_argument("--place", type=float, default=0.3, help="weight of the place loss")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    (WORK / ("train.pid" if args.stage == "tower" else "joint.pid")).write_text(str(os.getpid()))
    model = Pebble(N_LABELS)
    if args.stage == "joint":
        load_into(model, WORK / args.pebble)
    print("tower:", "resumed" if load_into(model, WORK / "tower.pt", TOWER_PARTS) else "new", flush=True)
    if args.stage == "tower":
        train_tower(args, model)
    else:
        from joint import train_joint
        train_joint(args, model)


if __name__ == "__main__":
    main()
