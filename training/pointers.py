"""Pointer losses: what some attention heads of the language model should look at.

`Is there a ...`, `Where is ...`, `How many ...` begin with finding the image rows of the thing that a word names. Left to the answers' loss a small
model does not learn this in the time there is, so four heads are told where to look (the targets are known: the world drew the picture):

- *rows* and *centres* (first layer), at the last piece of every word for a thing, a group, `things` or the sign, in questions and answers:
  the rows whose patch shows it, and its items' centres, where the beginning-of-text row shares as one more item. What is left on that row tells
  how many there are. When there is none, both look at that row only.
- *ahead* (third layer), at the places in an answer from which such a word is about to be written: the rows it will name.
- *back* (second layer), at the end of a question: the words that were looked up in it.

The heads are ordinary heads; nothing of this is in the exported model.
"""
import numpy as np
import torch

from questions import GROUPS
from world import GRID, NAMES, WORDS, centre_weights

ROWS, CENTRES, AHEAD, BACK = (0, 2), (0, 3), (2, 3), (1, 3)          # (layer, head)
KEYS = 48                                              # different things pointed at in one packed sequence
ARTICLES = {"a", "an", "some", "two", "three", "four", "five", "six"}
SIGN, THINGS = ("sign",), ("things",)


class Vocabulary:
    """Finds words for things in token ids."""

    def __init__(self, sp):
        forms = {w: SIGN for w in WORDS + ["sign"]}
        forms |= {w: THINGS for w in ("things", "items", "objects")}
        forms |= {w: ("group", g) for g, plural in GROUPS.items() for w in (g, plural)}
        forms |= {w: ("class", c) for c, n in enumerate(NAMES) for w in (n["word"], n["plural"])}
        self.forms = {tuple(sp.encode(w)): key for w, key in forms.items()}
        self.longest = max(map(len, self.forms))
        self.articles = {sp.encode(w)[0] for a in ARTICLES for w in (a, a.capitalize())}

    def find(self, ids):
        """[(start, end, key)], longest forms first."""
        out, i = [], 0
        while i < len(ids):
            for n in range(self.longest, 0, -1):
                key = self.forms.get(tuple(ids[i:i + n]))
                if key is not None:
                    out.append((i, min(i + n, len(ids)), key))
                    i += n - 1
                    break
            i += 1
        return out


class Targets:
    """Where the things of one scene lie; numbers for keys, 0 standing for no target."""

    def __init__(self, scene):
        self.scene, self.numbers = scene, {}
        self.rows, self.centres = (np.zeros((KEYS, GRID * GRID), np.float16) for _ in range(2))

    def number(self, key):
        if key not in self.numbers:
            k = len(self.numbers) + 1
            if k == KEYS:
                return 0
            self.numbers[key] = k
            patches = self.scene["patches"]
            if key == SIGN:
                self.rows[k] = patches > len(NAMES)
                return k
            classes = [c for c in range(len(NAMES)) if key == THINGS or key == ("class", c) or key == ("group", NAMES[c]["group"])]
            self.rows[k] = np.isin(patches, [1 + c for c in classes])
            for i in self.scene["items"]:
                if i["cls"] in classes:
                    self.centres[k] += centre_weights(i["x"], i["y"])
        return self.numbers[key]

    def mark(self, vocabulary, question, answer):
        """(numbers for the heads that look up, numbers for the head that looks ahead) of question + answer ids."""
        ids = question + answer
        here, ahead = [0] * len(ids), [0] * len(ids)
        for start, end, key in vocabulary.find(ids):
            k = self.number(key)
            here[end - 1] = k
            if start >= len(question):
                first = start - 2 if start > len(question) and ids[start - 1] in vocabulary.articles else start - 1
                ahead[first:end - 1] = [k] * (end - 1 - first)
        return here, ahead


def rows_loss(p, numbers, table, start):
    """-log of the attention on the target rows, or on row 0 where there are none. p [B,T,prefix + T]; numbers [B,T]; table [B,KEYS,rows]."""
    b, t = torch.nonzero(numbers > 0, as_tuple=True)
    p, target = p[b, t].float(), table[b, numbers[b, t]].float()
    there = (p[:, start:start + target.shape[1]] * target).sum(1)
    mass = torch.where(target.sum(1) > 0, there, p[:, 0])
    return -(mass + 1e-6).log().mean()


def centres_loss(p, numbers, table, start):
    """Divergence of the attention from the centres' weights beside a weight of one on row 0."""
    b, t = torch.nonzero(numbers > 0, as_tuple=True)
    p, target = p[b, t].float(), table[b, numbers[b, t]].float()
    want = torch.cat([torch.ones(len(b), 1), target], 1)
    want = want / want.sum(1, keepdim=True)
    have = torch.cat([p[:, :1], p[:, start:start + target.shape[1]]], 1)
    return (want * ((want + 1e-6).log() - (have + 1e-6).log())).sum(1).mean()


def back_loss(p, back, here):
    """-log of the attention that a question's last place gives to the words looked up in it; `back` [B,T] one past the question's start, or 0."""
    b, t = torch.nonzero(back > 0, as_tuple=True)
    at = torch.arange(here.shape[1])
    target = (here[b] > 0) & (at >= back[b, t, None] - 1) & (at <= t[:, None])
    asked = target.any(1)
    mass = (p[b, t][asked][:, -here.shape[1]:].float() * target[asked]).sum(1)
    return -(mass + 1e-6).log().mean()
