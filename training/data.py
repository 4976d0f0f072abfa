"""Batches of scenes, made in a process of their own."""
import pathlib
import pickle

import numpy as np
import torch

from artwork import CLASSES

WORK = pathlib.Path(__file__).parent / "work"
N_CLASSES = len(CLASSES["classes"])


def load_atlas(name):
    with open(WORK / f"atlas-{name}.pkl", "rb") as f:
        return pickle.load(f)


def tower_batches(queue, batch, seed):
    """Endless batches (uint8 pixels, patch labels); four scenes of five are crowded."""
    from world import World
    world = World(load_atlas("train"), seed, plain_share=0.7)
    while True:
        scenes = [world.scene(crowded=i % 5 != 0) for i in range(batch)]
        queue.put((np.stack([s["pixels"] for s in scenes]), np.stack([s["patches"] for s in scenes])))


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
            out[k] = [(np.stack([s["pixels"] for s in scenes[i:i + 64]]), np.stack([s["patches"] for s in scenes[i:i + 64]])) for i in range(0, n, 64)]
        path.write_bytes(pickle.dumps(out))
    return {k: [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in v] for k, v in pickle.loads(path.read_bytes()).items()}


PREFIX_HEAD = "USER: "
TEXT = 128                       # text tokens per packed sequence
TYPES = ["describe", "exist", "what_at", "where", "count", "count_all", "count_group", "group_yn", "which_group", "color", "bgcolor", "rel", "rel_yn",
         "bigger", "what1", "text"]
IGNORED = -100


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
        self.cache = {}

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

    def segments(self, pairs):
        """ids, segment numbers, positions, labels, kinds: independent pairs, packed until TEXT ids."""
        ids, seg, pos, labels, kinds = [], [], [], [], []
        for kind, q, a in pairs:
            qi, ai = self.question(q), self.answer(a)
            n = len(qi) + len(ai)
            if len(ids) + n - 1 > TEXT:
                continue
            self.add(ids, seg, pos, labels, qi, ai, len(kinds) + 1, 0)
            kinds.append(TYPES.index(kind))
        return self.padded(ids, seg, pos, labels, kinds)

    def dialogue(self, pairs):
        """The same pairs as one conversation of several turns; the description, which tells everything, comes last."""
        ids, seg, pos, labels, kinds = [], [], [], [], []
        pairs = sorted(pairs, key=lambda p: p[0] == "describe")
        for kind, q, a in pairs:
            qi, ai = self.question(q) if not ids else self.next_turn(q), self.answer(a)
            if len(ids) + len(qi) + len(ai) > TEXT:
                continue
            ids_before = len(ids)
            ids += qi + ai
            seg += [1] * (len(qi) + len(ai))
            labels += [IGNORED] * (len(qi) - 1) + ai + [IGNORED]
            pos += range(ids_before, len(ids))
            kinds.append(TYPES.index(kind))
        return self.padded(ids, seg, pos, labels, [])

    @staticmethod
    def add(ids, seg, pos, labels, qi, ai, number, start):
        ids += qi + ai[:-1]
        n = len(qi) + len(ai) - 1
        seg += [number] * n
        pos += range(start, start + n)
        labels += [IGNORED] * (len(qi) - 1) + ai

    @staticmethod
    def padded(ids, seg, pos, labels, kinds):
        k = TEXT - len(ids)
        return (np.array(ids + [0] * k), np.array(seg + [-1] * k), np.array(pos + [0] * k), np.array(labels + [IGNORED] * k),
                np.array(kinds + [-1] * (24 - len(kinds))))


def joint_batch(world, asker, packer, batch, crowded=0.25, dialogues=0.2):
    rng = world.rng
    scenes = [world.scene(crowded=rng.random() < crowded) for _ in range(batch)]
    rows = [packer.dialogue(asker.pairs(s)) if rng.random() < dialogues else packer.segments(asker.pairs(s)) for s in scenes]
    return (np.stack([s["pixels"] for s in scenes]), np.stack([s["patches"] for s in scenes]), *[np.stack(c) for c in zip(*rows)])


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
        path.write_bytes(pickle.dumps([joint_batch(world, asker, packer, 48, 0, 0) for _ in range(n // 48)]))
    return [[torch.from_numpy(a) for a in b] for b in pickle.loads(path.read_bytes())]
