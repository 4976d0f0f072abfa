"""Fit attention heads that find a thing's image rows from its word, as a start for training.

`Is there a ...`, `Where is ...`, `How many ...` begin with it, and a small language model left to chance takes longer to learn it than all the time
there is. In the first layer's last two heads, by linear least squares: keys map an image row to a code of what its patch shows (text and
background to nothing), queries map the word (singular or plural) to the same code, values carry whether the row shows a thing and where it lies. Codes use the
slowly turning pairs of the rope, turned back by the usual distance between a word and the image. Training goes on from there and may change all of it.
"""
import torch
import torch.nn.functional as F

import data
from world import NAMES

DISTANCE = 40                                          # from a question's word back to the middle of the image


def word_codes(sp):
    """{piece id: class} for the pieces of every class word and plural."""
    out = {}
    for c, n in enumerate(NAMES):
        for form in (n["word"], n["plural"]):
            for piece in sp.encode(form):
                out.setdefault(piece, c)
    return out


def ridge(x, y, weight, damp=1e-3):
    xw = x * weight[:, None]
    a = xw.T @ x
    return torch.linalg.solve(a + damp * a.diagonal().mean() * torch.eye(a.shape[0], dtype=a.dtype), xw.T @ y).T


@torch.no_grad()
def fit(model, packer, batches, strength=14.0):
    """Set q, k, v and output of the heads; returns how well the codes fit (mean cosine of keys, of queries)."""
    from train import normalise
    layer, width, heads = model.layers[0], model.c["width"], model.c["heads"]
    d = width // heads
    pairs = torch.arange(11 * d // 64, d // 2)         # rope pairs that turn slowly enough
    slow = torch.cat([pairs, pairs + d // 2])
    turn = DISTANCE * model.c["theta"] ** (-2 * pairs.double() / d)
    rows, labels = [], []
    for pixels, patches in batches:
        rows.append(layer.n1(model.proj(model.tower(normalise(pixels)))).flatten(0, 1))
        labels.append(patches.flatten())
    grid = model.tower.grid
    at = torch.arange(grid * grid).repeat(sum(len(b[0]) for b in batches))
    rows, labels = torch.cat(rows).double(), torch.cat(labels)
    vocab = layer.n1(model.embed.weight).double()
    words = word_codes(packer.sp)
    used = torch.tensor(sorted(words))
    classes = torch.tensor([words[int(i)] for i in used])
    item, background = (labels > 0) & (labels <= len(NAMES)), labels == 0
    x = torch.cat([rows[item], rows[background], vocab])
    n = (int(item.sum()), int(background.sum()), len(vocab))
    weight = torch.cat([torch.full((k,), w) for k, w in zip(n, (1.0, 0.2, 0.2))]).double()
    # what values carry: column and row of the patch, centred, and that it shows a thing
    place = torch.cat([F.one_hot(at % grid, grid), F.one_hot(at // grid, grid)], 1).double() - 1 / grid
    carried = torch.cat([place[item], torch.ones(n[0], 1)], 1)
    value = ridge(x, torch.cat([carried, torch.zeros(n[1] + n[2], carried.shape[1])]).double(), weight)
    figures = []
    for head in range(heads // 2, heads):
        codes = F.normalize(torch.randn(len(NAMES), len(slow), dtype=torch.double), dim=1) * strength
        a, b = codes.chunk(2, 1)
        turned = torch.cat([a * turn.cos() - b * turn.sin(), b * turn.cos() + a * turn.sin()], 1)
        key = ridge(x, torch.cat([turned[labels[item] - 1], torch.zeros(n[1] + n[2], len(slow), dtype=torch.double)]), weight)
        y = torch.zeros(len(vocab), len(slow), dtype=torch.double)
        y[used] = codes[classes]
        w = torch.full((len(vocab),), 0.1, dtype=torch.double)
        w[used] = 1.0
        query = ridge(vocab, y, w)
        figures.append((F.cosine_similarity(rows[item] @ key.T, turned[labels[item] - 1]).mean().item(),
                        F.cosine_similarity(vocab[used] @ query.T, codes[classes]).mean().item()))
        for part, m in ((0, query), (1, key)):
            start = part * width + head * d
            layer.qkv.weight[start:start + d] = 0
            layer.qkv.weight[start + slow] = m.float()
        start = 2 * width + head * d
        layer.qkv.weight[start:start + d] *= 0.3
        layer.qkv.weight[start:start + value.shape[0]] = value.float()
        layer.out.weight[:, head * d:(head + 1) * d] = torch.nn.init.orthogonal_(torch.empty(width, d)) * 1.5
    return figures
