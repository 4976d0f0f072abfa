"""Batches of scenes, made in a process of their own."""
import pathlib
import pickle

import numpy as np
import torch

from artwork import CLASSES
from pointers import Targets, Vocabulary

WORK = pathlib.Path(__file__).parent / "work"
N_CLASSES = len(CLASSES["classes"])


def load_atlas(name):
    with open(WORK / f"atlas-{name}.pkl", "rb") as f:
        return pickle.load(f)


def tower_batches(queue, batch, seed):
    """Endless batches (uint8 pixels, patch labels, centres); two scenes of three are crowded, one of six has a single thing (large ones are rare otherwise)."""
    from world import World
    world = World(load_atlas("train"), seed, plain_share=0.6)
    while True:
        scenes = [world.scene(crowded=i % 3 != 0, n=1 if i % 6 == 0 else None, text=None if i % 6 else False) for i in range(batch)]
        queue.put(tuple(np.stack([s[k] for s in scenes]) for k in ("pixels", "patches", "centres")))


def load_held_patches(n=192):
    """Held-out scenes for the per-patch figures: seen styles, near unseen, far unseen. Made once and kept."""
    from world import World
    path = WORK / "held-patches.pkl"
    if not path.exists():
        train, other = load_atlas("train"), load_atlas("eval")
        groups = {"seen": [s for s in train if s["kind"] == "plain"], "near": [s for s in other if s["style"] == "emojione-v1"],
                  "far": [s for s in other if s["style"] == "openmoji"]}
        out = {}
        for k, sprites in groups.items():
            world = World(sprites, 777, plain_share=1)
            scenes = [world.scene(crowded=i % 2 == 0) for i in range(n)]
            out[k] = [tuple(np.stack([s[key] for s in scenes[i:i + 64]]) for key in ("pixels", "patches", "centres")) for i in range(0, n, 64)]
        path.write_bytes(pickle.dumps(out))
    return {k: [tuple(map(torch.from_numpy, b)) for b in v] for k, v in pickle.loads(path.read_bytes()).items()}


PREFIX_HEAD = "USER: "
TEXT = 128                       # text tokens per packed sequence
TYPES = ["describe", "exist", "what_at", "where", "count", "count_all", "count_group", "group_yn", "which_group", "color", "bgcolor", "rel", "rel_yn",
         "bigger", "what1", "text"]
IGNORED = -100
ROW = {"ids": 0, "seg": -1, "pos": 0, "labels": IGNORED, "here": 0, "ahead": 0, "back": 0}   # what a packed row is made of, and its padding


class Packer:
    """Turns question-answer pairs into one row of ids with segments.

    The chunk in front of the image is `<s>` + "USER: "; the one behind it begins with a newline, which SentencePiece splits into the
    space mark and a newline byte. Those two ids belong to the prefix that all segments share; a segment starts with the question."""

    def __init__(self, rng):
        import sentencepiece as spm
        self.sp = spm.SentencePieceProcessor(model_file=str(WORK / "tokenizer.model"))
        self.rng = rng
        self.head = [self.sp.bos_id()] + self.sp.encode(PREFIX_HEAD)
        self.tail = self.sp.encode("\n")
        self.vocabulary = Vocabulary(self.sp)

    def question(self, text):
        ids = self.sp.encode(f"\n{text} ASSISTANT:")
        assert ids[:len(self.tail)] == self.tail, text
        return ids[len(self.tail):]

    def answer(self, text):
        return self.sp.encode(text) + [self.sp.eos_id()]

    def next_turn(self, text):
        """A later question of the same conversation. Runtimes differ in whether text after `</s>` gets a leading space: both are learned."""
        if self.rng.random() < 0.5:
            return self.sp.encode(f"USER: {text} ASSISTANT:")
        ids = self.sp.encode(f"/USER: {text} ASSISTANT:")
        return ids[ids.index(self.sp.piece_to_id("USER")):]

    def segments(self, pairs, targets=None):
        """Independent pairs, packed until TEXT ids: see `padded`. `targets` (pointers.Targets) adds what heads should look at."""
        rows = {k: [] for k in ROW}
        kinds = []
        for kind, q, a in pairs:
            qi, ai = self.question(q), self.answer(a)
            if len(rows["ids"]) + len(qi) + len(ai) - 1 > TEXT:
                continue
            kinds.append(TYPES.index(kind))
            self.add(rows, qi, ai[:-1], ai, len(kinds), 0, targets)
        return self.padded(rows, kinds)

    def dialogue(self, pairs, targets=None):
        """The same pairs as one conversation of several turns; the description, which tells everything, comes last."""
        rows = {k: [] for k in ROW}
        for _, q, a in sorted(pairs, key=lambda p: p[0] == "describe"):
            start = len(rows["ids"])
            qi, ai = self.next_turn(q) if start else self.question(q), self.answer(a)
            if start + len(qi) + len(ai) <= TEXT:
                self.add(rows, qi, ai, ai + [IGNORED], 1, start, targets)
        return self.padded(rows, [])

    def add(self, rows, qi, ai, labels, number, start, targets):
        n, start_of = len(qi) + len(ai), len(rows["ids"])
        rows["ids"] += qi + ai
        rows["seg"] += [number] * n
        rows["pos"] += range(start, start + n)
        rows["labels"] += [IGNORED] * (len(qi) - 1) + labels
        rows["back"] += [0] * (len(qi) - 1) + [start_of + 1] + [0] * len(ai)
        here, ahead = targets.mark(self.vocabulary, qi, ai) if targets else ([0] * n, [0] * n)
        rows["here"] += here
        rows["ahead"] += ahead

    @staticmethod
    def padded(rows, kinds):
        """(ids, segment numbers, positions, labels, pointer numbers here and ahead, one past the start of the question
        that ends here, types of the pairs)."""
        return *(np.array(rows[k] + [fill] * (TEXT - len(rows[k]))) for k, fill in ROW.items()), np.array(kinds + [-1] * (24 - len(kinds)))


def joint_batch(world, asker, packer, batch, crowded=0.25, dialogues=0.2, signs=0.25):
    """(pixels, patch labels, centres, tables of pointer targets (rows, centres), rows of `Packer.padded` ...). `signs`: share of scenes that must have one."""
    rng = world.rng
    scenes = [world.scene(crowded=rng.random() < crowded, text=True if rng.random() < signs else None) for _ in range(batch)]
    targets = [Targets(s) for s in scenes]
    rows = [(packer.dialogue if rng.random() < dialogues else packer.segments)(asker.pairs(s), t) for s, t in zip(scenes, targets)]
    return (*(np.stack([s[k] for s in scenes]) for k in ("pixels", "patches", "centres")), np.stack([t.rows for t in targets]),
            np.stack([t.centres for t in targets]), *[np.stack(c) for c in zip(*rows)])


def joint_batches(queue, batch, seed):
    """Endless batches for the joint stage."""
    import random
    from questions import Asker
    from world import World
    world = World(load_atlas("train"), seed, plain_share=0.7)
    asker, packer = Asker(random.Random(seed), world.classes), Packer(random.Random(seed + 1))
    while True:
        queue.put(joint_batch(world, asker, packer, batch))


def load_held_pairs(name="pairs", n=96):
    """Held-out scenes with their pairs for the figures shown while training."""
    import random
    from questions import Asker
    from world import World
    path = WORK / f"held-{name}.pkl"
    if not path.exists():
        sprites = [s for s in load_atlas("train") if s["kind"] == "plain"]
        world = World(sprites, 4242, plain_share=1)
        asker, packer = Asker(random.Random(4242), world.classes), Packer(random.Random(1))
        path.write_bytes(pickle.dumps([joint_batch(world, asker, packer, 48, 0, 0, 0) for _ in range(n // 48)]))
    return [[torch.from_numpy(a) for a in b] for b in pickle.loads(path.read_bytes())]
