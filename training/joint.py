"""The joint stage: packed questions about a scene, every pair in a segment of its own."""
import time

import numpy as np
import torch
import torch.nn.functional as F

import data
from model import match_heads
from optim import Muon
from pointers import AHEAD, BACK, CENTRES, ROWS, back_loss, centres_loss, rows_loss
from world import IGNORE, NAMES, N_LABELS, WORDS


class WordLoss:
    """Auxiliary loss on the projector: an image row should be nearest to the embedding of the word for what its patch shows.

    The language model then finds things in the image the way it finds words in a text, long before its own loss would teach it."""

    def __init__(self, sp, width):
        names = [n["word"] for n in NAMES] + WORDS
        pieces = [sp.encode(w) for w in names]
        self.index = torch.zeros(len(names), max(map(len, pieces)), dtype=torch.long)
        self.mask = torch.zeros(*self.index.shape, 1)
        for i, p in enumerate(pieces):
            self.index[i, :len(p)] = torch.tensor(p)
            self.mask[i, :len(p)] = 1 / len(p)
        self.background = torch.nn.Parameter(torch.randn(width) * 0.5)

    def __call__(self, embed, rows, labels):
        words = (embed(self.index) * self.mask).sum(1)
        table = torch.cat([self.background[None], words])
        logits = rows.float() @ table.float().T / 8
        weight = torch.ones(N_LABELS)
        weight[0] = 0.25
        # a word on a sign is also the name of some classes: both are right there, so the sign's patches teach only their own entry
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weight, ignore_index=IGNORE)


def attention_mask(seg, prefix):
    """0 / -inf [B,1,T,T] for rows [prefix; text]: causal, own segment and prefix only."""
    b, n = seg.shape
    full = torch.cat([torch.zeros(b, prefix, dtype=seg.dtype), seg], 1)
    t = prefix + n
    allowed = torch.ones(t, t).tril().bool() & ((full[:, None, :] == 0) | (full[:, None, :] == full[:, :, None]))
    return torch.where(allowed, 0.0, float("-inf")).unsqueeze(1)


class Runner:
    """Forward pass of a packed batch: features of the tower, then logits of the language model."""

    def __init__(self, model, packer):
        self.model = model
        self.head = torch.tensor(packer.head)
        self.tail = torch.tensor(packer.tail)
        self.decode = model.decode                     # replaced by a compiled one for training

    def features(self, pixels):
        from train import normalise
        return self.model.tower(normalise(pixels))

    def logits(self, rows, ids, seg, pos, where):
        """Logits at the text places `where` (boolean [B,T])."""
        return self.watched(rows, ids, seg, pos, where, ())[0]

    def watched(self, rows, ids, seg, pos, where, heads):
        """Logits; the attention of the (layer, head) pairs `heads` at every text place, [B,T,prefix + T] each."""
        m = self.model
        b = ids.shape[0]
        text = torch.cat([self.tail.expand(b, -1), ids], 1)
        x = m.splice(self.head, rows, text)
        prefix = x.shape[1] - ids.shape[1]
        positions = torch.cat([torch.arange(prefix).expand(b, -1), prefix + pos], 1)
        decode = self.decode if torch.is_grad_enabled() else m.decode
        h, seen = decode(x, positions, attention_mask(seg, prefix), prefix, heads)
        return m.lm_head(h[:, prefix:][where]), seen


def score(runner, batches):
    """Exact match per question type: {type: (right, asked)}."""
    out = {}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for pixels, _, _, _, _, ids, seg, pos, labels, _, _, _, kinds in batches:
            where = labels != data.IGNORED
            rows = runner.model.proj(runner.features(pixels))
            wrong = torch.zeros(labels.shape, dtype=torch.bool)
            wrong[where] = runner.logits(rows, ids, seg, pos, where).argmax(-1) != labels[where]
            for b in range(len(ids)):
                bad = set(seg[b][wrong[b]].tolist())
                for s, kind in enumerate(kinds[b].tolist()):
                    if kind >= 0:
                        r, n = out.get(kind, (0, 0))
                        out[kind] = (r + (s + 1 not in bad), n + 1)
    return {data.TYPES[k]: v for k, v in sorted(out.items())}


def train_joint(args, model):
    import random
    from train import TOWER_PARTS, Clock, centre_loss, load_into, log, patch_accuracy, patch_loss, place_loss, save, split_params, start_generator
    packer = data.Packer(random.Random(0))
    held, held_patches = data.load_held_pairs(), data.load_held_patches()
    queue = start_generator(data.joint_batches, args.batch, args.seed)
    runner, words = Runner(model, packer), WordLoss(packer.sp, model.c["width"])
    if args.compile:
        runner.decode = torch.compile(model.decode)
    if (p := data.WORK / "words.pt").exists():
        words.background.data.copy_(torch.load(p))
    if args.point_start:
        for layer, head in (ROWS, CENTRES):
            match_heads(model.layers[layer], head, model.c["width"] // model.c["heads"])
    lm_names = ["proj", "row_place", "row_centre", "embed", "layers", "norm", "lm_head"]
    muon_p, adam_p = split_params(model, lm_names)
    muon, adam = Muon(muon_p), torch.optim.AdamW(adam_p + [words.background], lr=args.adam, betas=(0.9, 0.98), weight_decay=0.01)
    tower_muon_p, tower_adam_p = split_params(model, TOWER_PARTS)
    tower_muon, tower_adam = Muon(tower_muon_p), torch.optim.AdamW(tower_adam_p, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    clock, step, images, recent = Clock(args.minutes, args.floor, args.decay), 0, 0, []
    last = last_log = time.time()
    while clock.progress() < 1:
        pixels, patches, centres, row_table, centre_table, ids, seg, pos, labels, here, ahead, back, _ = (torch.from_numpy(a) for a in queue.get())
        f = clock.factor(step)
        where = labels != data.IGNORED
        attached = clock.progress() >= args.attach
        with torch.autocast("cpu", torch.bfloat16):
            with torch.set_grad_enabled(attached):
                features = runner.features(pixels)
            rows = model.proj(features)
            logits, seen = runner.watched(rows, ids, seg, pos, where, (ROWS, CENTRES, AHEAD, BACK))
            place, centre = place_loss(model.row_place, rows), centre_loss(model.row_centre, rows, centres)
        start = len(packer.head)
        point = [rows_loss(seen[0], here, row_table, start), centres_loss(seen[1], here, centre_table, start), rows_loss(seen[2], ahead, row_table, start),
                 back_loss(seen[3], back, here)]
        answer = F.cross_entropy(logits.float(), labels[where])
        loss = answer + args.words * words(model.embed, rows, patches) + args.place * place + args.centre * centre + args.point * sum(point)
        if attached:
            loss = loss + patch_loss(model.head(features.float()), patches)
        loss.backward()
        muon.step(args.lr * f)
        for g in adam.param_groups:
            g["lr"] = args.adam * f
        adam.step()
        if attached:
            tower_muon.step(args.lr * args.tower_rate * f)
            for g in tower_adam.param_groups:
                g["lr"] = 1e-3 * args.tower_rate * f
            tower_adam.step()
        model.zero_grad(set_to_none=True)
        words.background.grad = None
        step += 1
        images += args.batch
        recent.append((answer.item(), place.item(), centre.item(), *(p.item() for p in point)))
        if time.time() - last_log > args.every:
            s = score(runner, held)
            acc = {f"patch_{k}": patch_accuracy(model, v) for k, v in held_patches.items()}
            total = sum(r for r, _ in s.values()) / sum(n for _, n in s.values())
            log({"stage": "joint", "time": time.strftime("%H:%M:%S"), "seconds": round(clock.seconds()),
                 "step": step, "images": images, "loss": float(np.mean(recent, 0)[0]), "lr": f, "answers": total, **{k: v[0] for k, v in acc.items()}})
            print("    place, centre, pointers:", *(round(float(x), 3) for x in np.mean(recent, 0)[1:]), {k: f"{r / n:.0%}" for k, (r, n) in s.items()}, flush=True)
            recent, last_log = [], time.time()
        if time.time() - last > 150:
            save(model, data.WORK / args.pebble)
            if not attached:                           # the tower goes on learning in its own process
                load_into(model, data.WORK / "tower.pt", TOWER_PARTS)
            torch.save(words.background.data, data.WORK / "words.pt")
            last = time.time()
    save(model, data.WORK / args.pebble)
    torch.save(words.background.data, data.WORK / "words.pt")
