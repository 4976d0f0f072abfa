"""pebble: LLaVA-1.5's architecture at 112 px, 6.5 million parameters.

CLIP-type tower (class token, pre-LN, quick_gelu; the six layers kept here are the ones in front of LLaVA's `select_layer -2`), two-layer
GELU projector, LLaMA decoder. q, k, v and gate, up are fused for speed; export.py takes them apart and gives tensors their usual names.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

TOWER = dict(size=112, patch=14, width=192, layers=6, heads=3, mlp=768)
LM = dict(width=256, layers=4, heads=4, mlp=512, vocab=1536, theta=10000.0, eps=1e-5)


def sincos_2d(grid, width, slowest=100.0):
    """Sine-cosine table of a grid x grid map, [grid*grid, width]; frequencies from 1 down to 1 / slowest."""
    freqs = 1.0 / (slowest ** (torch.arange(width // 4) / (width // 4)))
    y, x = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    parts = []
    for v in (x.reshape(-1, 1) * freqs, y.reshape(-1, 1) * freqs):
        parts += [v.sin(), v.cos()]
    return torch.cat(parts, 1)


class VisionLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["width"]
        self.heads = c["heads"]
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, c["mlp"]), nn.Linear(c["mlp"], d)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        p = ((q * (d // self.heads) ** -0.5) @ k.transpose(-1, -2)).float().softmax(-1).to(v.dtype)
        x = x + self.out((p @ v).transpose(1, 2).reshape(b, n, d))
        h = self.fc1(self.ln2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


class Tower(nn.Module):
    def __init__(self, c=TOWER):
        super().__init__()
        d, self.patch, self.grid = c["width"], c["patch"], c["size"] // c["patch"]
        self.patch_embed = nn.Linear(3 * self.patch ** 2, d, bias=False)
        self.cls = nn.Parameter(torch.randn(d) * 0.02)
        self.pos = nn.Parameter(torch.cat([torch.zeros(1, d), sincos_2d(self.grid, d) * 0.5]))
        self.pre = nn.LayerNorm(d)
        self.layers = nn.ModuleList(VisionLayer(c) for _ in range(c["layers"]))
        self.apply(init_linear)
        for layer in self.layers:                      # mimetic start: q and k alike, so attention begins by similarity
            q = nn.init.orthogonal_(torch.empty(d, d)) * 0.8
            with torch.no_grad():
                layer.qkv.weight[:d] = q + torch.randn(d, d) * 0.02
                layer.qkv.weight[d:2 * d] = q + torch.randn(d, d) * 0.02

    def forward(self, pixels):
        """[B,3,S,S] normalised -> [B, patches, width], class token dropped."""
        b, g, p = pixels.shape[0], self.grid, self.patch
        x = pixels.view(b, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(b, g * g, 3 * p * p)
        x = torch.cat([self.cls.expand(b, 1, -1).to(x.dtype), self.patch_embed(x)], 1) + self.pos
        x = self.pre(x)
        for layer in self.layers:
            x = layer(x)
        return x[:, 1:]


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        f = x.float()
        return self.weight * (f * torch.rsqrt(f.pow(2).mean(-1, keepdim=True) + self.eps))


def rope_tables(positions, dim, theta):
    """cos, sin [.., T, dim/2] of integer positions."""
    inv = theta ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    a = positions.float().unsqueeze(-1) * inv
    return a.cos(), a.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class DecoderLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["width"]
        self.heads = c["heads"]
        self.n1, self.n2 = RMSNorm(d, c["eps"]), RMSNorm(d, c["eps"])
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.gate_up, self.down = nn.Linear(d, 2 * c["mlp"], bias=False), nn.Linear(c["mlp"], d, bias=False)

    def forward(self, x, cos, sin, mask):
        """Rows after the layer, and the attention [B,heads,T,T]."""
        b, n, d = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotate(q.float(), cos, sin).to(v.dtype), rotate(k.float(), cos, sin).to(v.dtype)
        p = ((q @ k.transpose(-1, -2)).float() * (d // self.heads) ** -0.5 + mask).softmax(-1)
        x = x + self.out((p.to(v.dtype) @ v).transpose(1, 2).reshape(b, n, d))
        gate, up = self.gate_up(self.n2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up), p


class Pebble(nn.Module):
    """Tower + projector + decoder. `head`, `*_place` and `*_centre` serve auxiliary losses and are left out of the export."""

    def __init__(self, n_labels, tower=TOWER, lm=LM):
        super().__init__()
        self.c = lm
        self.tower = Tower(tower)
        self.proj = nn.Sequential(nn.Linear(tower["width"], lm["width"]), nn.GELU(), nn.Linear(lm["width"], lm["width"]))
        self.embed = nn.Embedding(lm["vocab"], lm["width"])
        self.layers = nn.ModuleList(DecoderLayer(lm) for _ in range(lm["layers"]))
        self.norm = RMSNorm(lm["width"], lm["eps"])
        self.lm_head = nn.Linear(lm["width"], lm["vocab"], bias=False)
        for m in (self.proj, self.layers, self.lm_head):
            m.apply(init_linear)
        nn.init.normal_(self.embed.weight, std=0.5)
        for layer in self.layers:
            nn.init.zeros_(layer.out.weight)
            nn.init.zeros_(layer.down.weight)
        d = lm["width"] // lm["heads"]
        for layer in self.layers[:2]:
            for head in range(lm["heads"] // 2, lm["heads"]):
                match_heads(layer, head, d)
        self.head = nn.Linear(tower["width"], n_labels)
        self.tower_place, self.row_place = nn.Linear(tower["width"], 2 * self.tower.grid), nn.Linear(lm["width"], 2 * self.tower.grid)
        self.tower_centre, self.row_centre = nn.Linear(tower["width"], 1), nn.Linear(lm["width"], 1)
        for m in (self.head, self.tower_place, self.row_place, self.tower_centre, self.row_centre):
            init_linear(m)

    def decode(self, rows, positions, mask, prefix=0, watched=()):
        """Hidden states after the final norm and the attention of the `watched` (layer, head) from the rows behind the first `prefix`.
        rows [B,T,H]; positions [B,T]; mask [B,1,T,T], 0 or -inf."""
        cos, sin = rope_tables(positions, self.c["width"] // self.c["heads"], self.c["theta"])
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        x, seen = rows, {}
        for i, layer in enumerate(self.layers):
            x, p = layer(x, cos, sin, mask)
            seen |= {w: p[:, w[1], prefix:] for w in watched if w[0] == i}
        return self.norm(x), [seen[w] for w in watched]

    def splice(self, prefix, features, text):
        """Rows of [prefix ids; image; text ids]."""
        b = features.shape[0]
        return torch.cat([self.embed(prefix).expand(b, -1, -1).to(features.dtype), features, self.embed(text).to(features.dtype)], 1)


def match_heads(layer, head, d, scale=2.0):
    """Start a head so that it attends by likeness: q and k the same random projection, in the slowly turning half of the rope's pairs.

    A word in a question then finds the image rows of its thing from the first step; left to chance, that takes longer than all the training."""
    with torch.no_grad():
        width = layer.qkv.in_features
        w = torch.zeros(d, width)
        slow = torch.cat([torch.arange(d // 4, d // 2), torch.arange(d // 4, d // 2) + d // 2])
        w[slow] = nn.init.orthogonal_(torch.empty(len(slow), width)) * scale
        for part in (0, 1):
            start = part * width + head * d
            layer.qkv.weight[start:start + d] = w


def init_linear(m):
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, std=1 / math.sqrt(m.in_features))
        if m.bias is not None:
            nn.init.zeros_(m.bias)
