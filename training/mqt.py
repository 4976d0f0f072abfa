"""pebble with a budget: MQT-LLaVA's query transformer (Hu et al. 2024) instead of the projector, trained so that the first m rows are enough for any m.

    python mqt.py train --minutes 40 --compile     starts from work/pebble.pt -> work/mqt.pt, figures in work/mqt-log.csv; goes on from mqt.pt where there is one
    python mqt.py eval                              right answers for each m -> eval/mqt.json
    python export.py hub work/llava-pebble-mqt --model mqt
    pumice convert work/llava-pebble-mqt ../models/pebble-mqt.gguf --type q8_0 --tower-type q8_0

Keys are positions only, so a query is a learned pooling of the patches, one for each head. Query i starts as a sharp look at one patch, in an order in
which the first m always cover the picture; half of the heads of early queries start broader. Values and projection start as the best linear copy of
pebble's projector. The tower stands still. Of every scene the language model sees all rows (half of the time) or the first m, m log-uniform.
"""
import argparse
import csv
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import data
from joint import Runner, WordLoss, answer_loss, score
from model import LM, TOWER, Pebble, sincos_2d
from optim import Muon
from pointers import AHEAD, BACK, CENTRES, ROWS, back_loss, centres_loss, rows_loss
from train import Clock, centre_loss, load_into, place_loss, save, split_params, start_generator
from world import GRID, IGNORE, N_LABELS

HEADS = 16
QUERIES = GRID * GRID
CHECKPOINT = data.WORK / "mqt.pt"
BUDGETS = (1, 2, 4, 8, 16, 32, 64)
BROAD = 16                       # queries that see more than a patch at the start


def cover():
    """Patches in an order in which the first m leave little of the picture far from one of them: each next one mends most. int64 [QUERIES]"""
    at = torch.stack([torch.arange(QUERIES) % GRID, torch.arange(QUERIES) // GRID], 1).float()
    far = (at[:, None] - at[None]).pow(2).sum(-1)
    left, out = torch.full((QUERIES,), 1e3), []
    for _ in range(QUERIES):
        rest = torch.minimum(left[:, None], far).sum(0)
        rest[out] = math.inf
        out.append(int(rest.argmin()))
        left = torch.minimum(left, far[out[-1]])
    return torch.tensor(out)


ORDER = cover()


def assignments():
    """For each m the nearest of the first m queries' patches, one-hot: float [QUERIES + 1, patches, queries]. Entry 0 is empty."""
    at = torch.stack([torch.arange(QUERIES) % GRID, torch.arange(QUERIES) // GRID], 1).float()
    far = (at[:, None] - at[ORDER][None]).pow(2).sum(-1)
    return torch.stack([torch.zeros(QUERIES, QUERIES)] + [F.one_hot(far[:, :m].argmin(1), QUERIES).float() for m in range(1, QUERIES + 1)])


class Resampler(nn.Module):
    """The query transformer: features [B,patches,width] -> rows [B,m,hidden]. The grid of queries is the grid of patches, so positions are not resized."""

    def __init__(self, width=TOWER["width"], hidden=LM["width"]):
        super().__init__()
        self.m = QUERIES
        self.register_buffer("pos_embed", sincos_2d(GRID, width, 10000.0).half().float())
        self.query = nn.Parameter(torch.randn(QUERIES, width) - self.pos_embed)
        self.ln_q, self.ln_k, self.ln_v = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.proj = nn.Parameter(torch.zeros(width, hidden))
        self.start_attention()

    def start_attention(self):
        """Each head a bell curve around its query's patch: its exponent is linear in x, x^2, y, y^2 of the keys. The other dimensions of the
        keys are random functions of the place, which queries do not use yet."""
        d = self.query.shape[1] // HEADS
        at = torch.stack([torch.arange(QUERIES) % GRID, torch.arange(QUERIES) // GRID], 1).float() / (GRID / 2 - 0.5) - 1
        bell = torch.stack([at, at.pow(2)], -1).flatten(1)                                                  # x, x^2, y, y^2
        width = torch.sqrt(QUERIES / math.pi / torch.arange(1, QUERIES + 1)) / 2
        width = torch.where(torch.arange(QUERIES) < BROAD, width, 0).clamp(min=0.4)[:, None].repeat(1, HEADS)
        width[:, ::2] = 0.4                                                                                 # in patches
        sharp = (width / (GRID / 2 - 0.5)).pow(-2)
        centre = at[ORDER][:, None]
        want = torch.zeros(QUERIES, HEADS, d)
        want[:, :, 0:4:2], want[:, :, 1:4:2] = centre * sharp[..., None], -sharp[..., None] / 2
        with torch.no_grad():
            q, k = self.ln_q(self.query + self.pos_embed), self.ln_k(self.pos_embed)
            keys = torch.cat([bell[:, None].expand(-1, HEADS, -1), (k @ torch.randn(k.shape[1], HEADS * (d - 4)) / k.shape[1] ** 0.5).view(QUERIES, HEADS, -1)], 2)
            self.k_proj.weight.copy_(torch.linalg.lstsq(k, keys.flatten(1), driver="gelsd").solution.T)
            self.q_proj.weight.copy_(torch.linalg.lstsq(q, want.flatten(1) * d ** 0.5, driver="gelsd").solution.T)
            for m in (self.q_proj, self.k_proj, self.v_proj, self.out_proj):
                m.bias.zero_()

    def copy_projector(self, features, rows):
        """Values and projection as the best linear map from normed features [N,width] to rows [N,hidden]; returns the share of variance it explains."""
        with torch.no_grad():
            x = F.layer_norm(features, features.shape[1:], eps=self.ln_v.eps)
            mean = rows.mean(0)
            w = torch.linalg.lstsq(x - x.mean(0), rows - mean, driver="gelsd").solution
            constant = mean - x.mean(0) @ w
            for m in (self.v_proj, self.out_proj):
                m.weight.copy_(torch.eye(len(m.weight)))
            # normed features have no mean over columns, so that direction is free to carry the constant
            w = w - w.mean(0)
            self.out_proj.bias.fill_(1)
            self.proj.copy_(w + constant / len(w))
            return 1 - (x @ w + constant - rows).var() / rows.var()

    def attention(self):
        """[heads, queries, patches], f32: a constant of the weights."""
        with torch.autocast("cpu", enabled=False):
            q, k = self.q_proj(self.ln_q(self.query + self.pos_embed)), self.k_proj(self.ln_k(self.pos_embed))
            q, k = (x.view(QUERIES, HEADS, -1).transpose(0, 1) for x in (q, k))
            return (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5).softmax(-1)

    def forward(self, x):
        b, n, width = x.shape
        v = self.v_proj(self.ln_v(x)).view(b, n, HEADS, -1).permute(2, 1, 0, 3).reshape(HEADS, n, -1)
        mixed = self.attention()[:, :self.m].to(v.dtype) @ v
        return self.out_proj(mixed.view(HEADS, self.m, b, -1).permute(2, 1, 0, 3).reshape(b, self.m, width)) @ self.proj

    def hub_tensors(self):
        """Tensors under the names of MQT-LLaVA's checkpoints."""
        a = {f"attn.in_proj_{s}": torch.cat([getattr(m, s) for m in (self.q_proj, self.k_proj, self.v_proj)]) for s in ("weight", "bias")}
        own = {k: v for k, v in self.state_dict().items() if k.startswith(("ln_", "query", "pos_embed")) or k == "proj"}
        return {f"model.query_abstractor.{k}": v for k, v in {**own, **a, "attn.out_proj.weight": self.out_proj.weight, "attn.out_proj.bias": self.out_proj.bias}.items()}


class MqtPebble(Pebble):
    def __init__(self, n_labels=N_LABELS):
        super().__init__(n_labels)
        self.proj = Resampler()


class Budgeted:
    """Decodes as if row b of the batch had only its first budgets[b] image rows: the others are hidden and what follows moves up.

    The shapes stay the same, which a compiled decoder needs. Image rows stand from `start` on."""

    def __init__(self, decode, start):
        self.decode, self.start, self.budgets = decode, start, None

    def __call__(self, rows, positions, mask, prefix, heads):
        at, m = torch.arange(rows.shape[1]), self.budgets[:, None]
        hidden = (at >= self.start + m) & (at < self.start + QUERIES)
        moved = torch.where(at >= self.start + QUERIES, positions - (QUERIES - m), positions)
        return self.decode(rows, moved, mask.masked_fill(hidden[:, None, None, :], float("-inf")), prefix, heads)


def mqt_batches(queue, batch, seed):
    """The joint stage's batches, from a process with a name of its own: both trainings may run at once."""
    data.joint_batches(queue, batch, seed)


def log(row):
    path = CHECKPOINT.with_name("mqt-log.csv")
    new = not path.exists()
    with open(path, "a", newline="") as f:
        w = csv.DictWriter(f, fieldnames=row)
        if new:
            w.writeheader()
        w.writerow({k: (f"{v:.4g}" if isinstance(v, float) else v) for k, v in row.items()})
    print(row, flush=True)


def held_answers(runner, held, budgets):
    """{"m=16": share of right answers, ...} and the types at the largest budget."""
    out, types = {}, {}
    for m in budgets:
        runner.model.proj.m = m
        types = score(runner, held)
        out[f"m={m}"] = sum(r for r, _ in types.values()) / sum(n for _, n in types.values())
    runner.model.proj.m = QUERIES
    return out, {k: f"{r / n:.0%}" for k, (r, n) in types.items()}


def start(model, runner, queue, path):
    """Language model, tower and auxiliary heads of pebble; the resampler as near to its projector as a linear map comes."""
    pebble = Pebble(N_LABELS)
    load_into(pebble, path)
    model.load_state_dict({k: v for k, v in pebble.state_dict().items() if not k.startswith("proj.")}, strict=False)
    with torch.no_grad():
        x = torch.cat([runner.features(torch.from_numpy(queue.get()[0])).flatten(0, 1) for _ in range(6)])
        print(f"a linear projector explains {model.proj.copy_projector(x, pebble.proj(x)):.1%}", flush=True)


def train(args):
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    (data.WORK / "mqt.pid").write_text(str(os.getpid()))
    packer, rng = data.Packer(random.Random(0)), np.random.default_rng(args.seed)
    model, held = MqtPebble(), data.load_held_pairs()
    queue = start_generator(mqt_batches, args.batch, args.seed)
    runner, words = Runner(model, packer), WordLoss(packer.sp, model.c["width"])
    words.background.data.copy_(torch.load(data.WORK / "words.pt"))
    if not load_into(model, CHECKPOINT):
        start(model, runner, queue, data.WORK / args.pebble)
    runner.decode = Budgeted(torch.compile(model.decode) if args.compile else model.decode, len(packer.head))
    near, back_to_grid = assignments(), ORDER.argsort()
    muon_p, adam_p = split_params(model, ["embed", "layers", "norm", "lm_head", "row_place", "row_centre"])
    looks = [model.proj.query, *model.proj.q_proj.parameters(), *model.proj.k_proj.parameters()]
    rest = [p for p in model.proj.parameters() if all(p is not other for other in looks)]
    rates = {"lm": args.adam, "looks": args.adam / 10, "values": args.adam}
    muon = Muon(muon_p)
    adam = torch.optim.AdamW([{"params": adam_p + [words.background], "name": "lm"}, {"params": looks, "name": "looks", "weight_decay": 0.0},
                              {"params": rest, "name": "values"}], lr=args.adam, betas=(0.9, 0.98), weight_decay=0.01)
    clock, step, recent = Clock(args.minutes, args.floor, args.decay, args.by), 0, []
    last = last_log = time.time()
    while clock.progress() < 1:
        pixels, patches, centres, row_table, centre_table, ids, seg, pos, labels, here, ahead, back, kinds = (torch.from_numpy(a) for a in queue.get())
        f, where = clock.factor(step), labels != data.IGNORED
        budgets = np.where(rng.random(len(ids)) < 0.5, QUERIES, np.exp(rng.uniform(0, math.log(QUERIES), len(ids))).round())
        runner.decode.budgets = budgets = torch.from_numpy(budgets).long()
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                features = runner.features(pixels)
            rows = model.proj(features)
            logits, seen = runner.watched(rows, ids, seg, pos, where, (ROWS, CENTRES, AHEAD, BACK))
            on_grid = rows[:, back_to_grid]
            place, centre = place_loss(model.row_place, on_grid), centre_loss(model.row_centre, on_grid, centres)
        # a query stands for the patches that are nearest to its own; the words of the broad ones are left open
        row_table, centre_table = (row_table.float() @ near[budgets] > 0).float(), centre_table.float() @ near[budgets]
        patches[:, ORDER[:BROAD // 2]] = IGNORE
        first = len(packer.head)
        point = [rows_loss(seen[0], here, row_table, first), centres_loss(seen[1], here, centre_table, first), rows_loss(seen[2], ahead, row_table, first),
                 back_loss(seen[3], back, here)]
        answer = answer_loss(logits, labels, seg, kinds)
        (answer + 0.3 * words(model.embed, on_grid, patches) + 0.3 * place + centre + sum(point)).backward()
        muon.step(args.lr * f)
        for g in adam.param_groups:
            g["lr"] = rates[g["name"]] * f
        adam.step()
        model.zero_grad(set_to_none=True)
        words.background.grad = None
        step += 1
        recent.append((answer.item(), place.item(), centre.item(), *(p.item() for p in point)))
        if step == 1 or time.time() - last_log > args.every:
            shares, types = held_answers(runner, held, (1, 4, 16, 64))
            log({"time": time.strftime("%H:%M:%S"), "seconds": round(clock.seconds()), "step": step, "images": step * args.batch,
                 "loss": float(np.mean(recent, 0)[0]), "lr": f, **shares})
            print("    place, centre, pointers:", *(round(float(x), 3) for x in np.mean(recent, 0)[1:]), types, flush=True)
            recent, last_log = [], time.time()
        if time.time() - last > 100:
            save(model, CHECKPOINT)
            last = time.time()
    save(model, CHECKPOINT)
    shares, types = held_answers(runner, held, BUDGETS)
    print("done:", step, "steps", shares, types, flush=True)


def evaluate(args):
    """Figures by budget, for the model card; added to those that eval/mqt.json holds."""
    from evaluate import HERE, make, right, table
    from export import load
    torch.set_num_threads(1)
    model, packer, path = load("mqt"), data.Packer(random.Random(0)), HERE / "eval" / "mqt.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    for group in args.groups.split(","):
        examples = make(group, args.scenes, args.singles)
        report.setdefault(group, {})
        for m in map(int, args.budgets.split(",")):
            model.proj.m = m
            report[group][str(m)] = t = table(examples, right(model, packer, examples))
            path.write_text(json.dumps(report, indent=1) + "\n")
            print(group, m, {k: f"{v['accuracy']:.1%}" for k, v in t.items() if k != "naming_by_size"}, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "eval"])
    parser.add_argument("--minutes", type=float, default=40, help="of processor time")
    parser.add_argument("--by", help="time of day HH:MM at which training ends at the latest; the rate has fallen by then")
    parser.add_argument("--pebble", default="pebble.pt", help="the checkpoint in work/ to start from")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--lr", type=float, default=0.008, help="Muon's rate for the language model")
    parser.add_argument("--adam", type=float, default=1e-3, help="AdamW's rate; a tenth of it for what decides where queries look")
    parser.add_argument("--floor", type=float, default=0.02)
    parser.add_argument("--decay", type=float, default=0.7, help="last part of the time in which the rates fall")
    parser.add_argument("--every", type=float, default=240, help="seconds between figures")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--scenes", type=int, default=260)
    parser.add_argument("--singles", type=int, default=260)
    parser.add_argument("--groups", default="seen")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    args = parser.parse_args()
    (train if args.what == "train" else evaluate)(args)


if __name__ == "__main__":
    main()
