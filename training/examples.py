"""Compose the example pictures of ../examples: six scenes that are in no training stream, larger than the model's input.

    python examples.py candidates work/candidates    many numbered scenes to choose from, with what the model says
    python examples.py write ../examples 3 8 ...     the chosen six, with expected.json
"""
import json
import pathlib
import random
import sys

from PIL import Image
import torch

import data
from joint import Runner
from questions import background_phrase, description, everything_clear, noun
from world import NAMES, World, normalise

SHIPPED = {"fluent-emoji", "fluent-emoji-flat", "noto", "noto-v1", "twemoji", "emojione", "fxemoji"}


def scenes(n=60):
    """Deterministic candidates: a third with a sign, a third on a photograph."""
    sprites = [s for s in data.load_atlas("train") if s["kind"] == "plain" and s["style"] in SHIPPED]
    world = World(sprites, 31337, plain_share=1)
    out = []
    while len(out) < n:
        kind = len(out) % 3
        s = world.scene(size=world.rng.choice([224, 336, 448]), n=world.rng.choice([1, 2, 2, 3, 3, 4]), text=kind == 1)
        if s["items"] and everything_clear(s) and (s["background"] == ("photo",)) == (kind == 2) and (s["text"] is not None) == (kind == 1):
            out.append(s)
    return out


def say(model, packer, pixels, question, limit=80):
    """Greedy answer, written token by token."""
    runner = Runner(model, packer)
    with torch.no_grad():
        rows = model.proj(model.tower(torch.from_numpy(normalise(pixels[None]))))
        ids = packer.question(question)
        start = len(ids)
        while len(ids) - start < limit:
            t = torch.tensor([ids])
            last = torch.zeros(t.shape, dtype=torch.bool)
            last[0, -1] = True
            token = int(runner.logits(rows, t, torch.ones_like(t), torch.arange(len(ids))[None], last).argmax())
            if token == packer.sp.eos_id():
                break
            ids.append(token)
    return packer.sp.decode(ids[start:])


def main():
    from export import load
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    packer, model = data.Packer(random.Random(0)), load()
    found = scenes()
    chosen = [int(a) for a in sys.argv[3:]] or range(len(found))
    expected = []
    for k, n in enumerate(chosen):
        s = found[n]
        name = f"scene-{k + 1}.png" if sys.argv[1] == "write" else f"{n:02d}.png"
        Image.fromarray(s["big"]).save(folder / name, optimize=True)
        answer = say(model, packer, s["pixels"], "Describe the picture.")
        truth = description(s)
        print(n, name, s["big"].shape[0], "OK " if answer == truth else "   ", answer, "" if answer == truth else f"   <- {truth}")
        counts = {}
        for i in s["items"]:
            counts[i["cls"]] = counts.get(i["cls"], 0) + 1
        expected.append({"picture": name, "items": [NAMES[c]["word"] for c in counts], "phrases": [noun(c, n) for c, n in counts.items()],
                         "sign": s["text"]["word"] if s["text"] else None, "background": background_phrase(s["background"]), "description": truth,
                         "styles": sorted({i["style"] for i in s["items"]})})
    if sys.argv[1] == "write":
        (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
