"""Exact match of greedy answers on held-out compositions, per question type, with the majority answer beside it.

    python evaluate.py                              the checkpoint in work/
    python evaluate.py --gguf ../models/pebble.gguf a file's weights, dequantized (arithmetic stays f32)
    python evaluate.py --write-set ../models/eval   pictures and questions for other programs (openly licensed styles only)
    python evaluate.py --set ../models/eval [--gguf FILE] [--against OUTCOMES.json ...]   that set here, and where `pumice eval MODEL --json` differs

Groups: `seen` styles in new compositions, `near` (emojione-v1), `far` (openmoji) and `far2` (streamline-emojis), none of the last three
ever trained on. An answer counts when every token of it, the end token included, is the model's first choice given the ones before.
"""
import argparse
import json
import pathlib
import random
import re

import numpy as np
from PIL import Image
import torch

import data
from joint import Runner
from questions import AT, Asker
from world import LADDER, NAMES, World, normalise

HERE = pathlib.Path(__file__).parent
SEED = 20260101
GROUPS = {"seen": None, "near": "emojione-v1", "far": "openmoji", "far2": "streamline-emojis"}


def sprites_of(group):
    if group == "seen":
        return [s for s in data.load_atlas("train") if s["kind"] == "plain"]
    return [s for s in data.load_atlas("eval") if s["style"] == GROUPS[group]]


def template(question):
    """The question with the names of things taken out: what a model without eyes could know about it."""
    q = question
    for at in sorted(AT.values(), key=len, reverse=True):
        q = q.replace(at, "@")
    words = sorted({w for n in NAMES for w in (n["word"], n["plural"])}, key=len, reverse=True)
    return re.sub(r"\b(?:an? |some |the )?(?:" + "|".join(map(re.escape, words)) + r")\b", "#", q)


def make(group, scenes, singles):
    """[(scene, [(type, question, answer)])]: mixed scenes with everything asked, then single items with `What is this?`."""
    world = World(sprites_of(group), SEED + len(group), plain_share=1)
    asker = Asker(random.Random(SEED), world.classes)
    out = []
    for _ in range(scenes):
        s = world.scene()
        out.append((s, asker.pairs(s)))
    for _ in range(singles):
        s = world.scene(n=1, text=False)
        while not s["items"]:
            s = world.scene(n=1, text=False)
        out.append((s, [p for p in asker.pairs(s) if p[0] == "what1"]))
    return out


def right(model, packer, examples, batch=32):
    """For every example a list of bools, one per pair."""
    runner, rows = Runner(model, packer), []
    for n, (scene, pairs) in enumerate(examples):
        todo = list(enumerate(pairs))
        while todo:                                    # as many rows as the pairs need
            row = packer.segments([p for _, p in todo])
            taken, used = [], 0
            for i, p in todo:
                k = len(packer.question(p[1])) + len(packer.answer(p[2]))
                if used + k - 1 <= data.TEXT:
                    used += k - 1
                    taken.append(i)
            rows.append((n, taken, scene["pixels"], row))
            todo = [t for t in todo if t[0] not in taken]
    out = [[None] * len(pairs) for _, pairs in examples]
    with torch.no_grad():
        for start in range(0, len(rows), batch):
            part = rows[start:start + batch]
            pixels = torch.from_numpy(normalise(np.stack([r[2] for r in part])))
            ids, seg, pos, labels, *_ = (torch.from_numpy(np.stack(c)) for c in zip(*[r[3] for r in part]))
            where = labels != data.IGNORED
            logits = runner.logits(model.proj(model.tower(pixels)), ids, seg, pos, where)
            wrong = torch.zeros(labels.shape, dtype=torch.bool)
            wrong[where] = logits.argmax(-1) != labels[where]
            for b, (n, taken, _, _) in enumerate(part):
                bad = set(seg[b][wrong[b]].tolist())
                for k, i in enumerate(taken):
                    out[n][i] = k + 1 not in bad
    return out


def table(examples, results):
    """{type: {right, asked, accuracy, majority}} and the naming of single items by size."""
    types, answers, steps = {}, {}, {}
    for (scene, pairs), oks in zip(examples, results):
        for (kind, q, a), ok in zip(pairs, oks):
            t = types.setdefault(kind, {"right": 0, "asked": 0})
            t["right"] += ok
            t["asked"] += 1
            counts = answers.setdefault(kind, {}).setdefault(template(q), {})
            counts[a] = counts.get(a, 0) + 1
            if kind == "what1" and len(scene["items"]) == 1:
                # the longer side on the 112 px canvas, rounded to the ladder
                side = 112 * max(scene["items"][0]["w"], scene["items"][0]["h"])
                step = min(LADDER, key=lambda v: abs(v - side))
                s = steps.setdefault(step, [0, 0])
                s[0] += ok
                s[1] += 1
    for kind, t in types.items():
        t["accuracy"] = round(t["right"] / t["asked"], 4)
        t["majority"] = round(sum(max(c.values()) for c in answers[kind].values()) / t["asked"], 4)
    total = {k: sum(t[k] for t in types.values()) for k in ("right", "asked")}
    total["accuracy"] = round(total["right"] / total["asked"], 4)
    total["majority"] = round(sum(t["majority"] * t["asked"] for t in types.values()) / total["asked"], 4)
    return {"all": total, **{k: types[k] for k in data.TYPES if k in types}, "naming_by_size": {k: [round(r / n, 3), n] for k, (r, n) in sorted(steps.items())}}


def write_set(folder, packer):
    """A fixed small set for other programs: pictures from styles that may be shipped, and pairs.jsonl."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "pairs.jsonl", "w") as f:
        for group, scenes, singles in (("seen", 72, 24), ("far2", 24, 24)):
            for n, (scene, pairs) in enumerate(make(group, scenes, singles)):
                name = f"{group}-{n:03d}.png"
                Image.fromarray(scene["pixels"]).save(folder / name, optimize=True)
                for kind, q, a in pairs:
                    f.write(json.dumps({"picture": name, "group": "seen" if group == "seen" else "far", "type": kind, "question": q, "answer": a}) + "\n")


def read_set(folder):
    """(pictures with their pairs, as `make` gives them; the group of each) of a folder that `write_set` wrote."""
    folder, examples, groups = pathlib.Path(folder), [], []
    for line in (folder / "pairs.jsonl").read_text().splitlines():
        e = json.loads(line)
        if not examples or examples[-1][0]["picture"] != e["picture"]:
            examples.append(({"picture": e["picture"], "pixels": np.asarray(Image.open(folder / e["picture"]).convert("RGB")), "items": []}, []))
            groups.append(e["group"])
        examples[-1][1].append((e["type"], e["question"], e["answer"]))
    return examples, groups


def compare(examples, results, paths):
    """How many verdicts other programs share, given their outcomes in the order of the set; and how many answers these share among themselves."""
    mine = [ok for oks in results for ok in oks]
    theirs = [json.loads(pathlib.Path(p).read_text())["outcomes"] for p in paths]
    for path, outcomes in zip(paths, theirs):
        same = sum((o["got"] == o["answer"]) == ok for o, ok in zip(outcomes, mine, strict=True))
        print(f"{path}: {sum(o['got'] == o['answer'] for o in outcomes)} of {len(outcomes)} right, {same} verdicts as here")
    for path, outcomes in zip(paths[1:], theirs[1:]):
        print(f"{path}: {sum(a['got'] == b['got'] for a, b in zip(theirs[0], outcomes, strict=True))} of {len(outcomes)} answers as in {paths[0]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf")
    parser.add_argument("--scenes", type=int, default=260)
    parser.add_argument("--singles", type=int, default=260)
    parser.add_argument("--groups", default=",".join(GROUPS))
    parser.add_argument("--write-set")
    parser.add_argument("--set")
    parser.add_argument("--against", nargs="*", default=[])
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    torch.set_num_threads(2)
    packer = data.Packer(random.Random(0))
    if args.write_set:
        write_set(args.write_set, packer)
        return
    from export import load, read_gguf
    model = read_gguf(args.gguf) if args.gguf else load()
    if args.set:
        examples, groups = read_set(args.set)
        results = right(model, packer, examples)
        for group in dict.fromkeys(groups):
            t = table(*zip(*((e, r) for e, r, g in zip(examples, results, groups) if g == group)))
            print(group, {k: f"{v['right']}/{v['asked']}" for k, v in t.items() if k != "naming_by_size"})
        compare(examples, results, args.against)
        return
    report = {"weights": pathlib.Path(args.gguf).name if args.gguf else "checkpoint, f32", "groups": {}}
    for group in args.groups.split(","):
        examples = make(group, args.scenes, args.singles)
        report["groups"][group] = t = table(examples, right(model, packer, examples))
        print(group, {k: f"{v['accuracy']:.1%} ({v['majority']:.1%})" for k, v in t.items() if k != "naming_by_size"}, t["naming_by_size"], flush=True)
    (HERE / "eval").mkdir(exist_ok=True)
    name = args.out or ("checkpoint" if not args.gguf else pathlib.Path(args.gguf).stem)
    (HERE / "eval" / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
