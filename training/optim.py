"""Muon for hidden matrices, AdamW for the rest."""
import torch


def newton_schulz(g, steps=5):
    """Nearly orthogonal matrices of a batch [N,r,c] (Jordan's quintic iteration), in bf16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    flip = x.shape[1] > x.shape[2]
    if flip:
        x = x.transpose(1, 2)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        s = x @ x.transpose(1, 2)
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.transpose(1, 2) if flip else x).float()


class Muon:
    """`params`: list of (parameter, row blocks): a fused q/k/v matrix has three blocks, each orthogonalised on its own."""

    def __init__(self, params, momentum=0.95, decay=0.01):
        self.momentum, self.decay = momentum, decay
        self.groups = {}
        for p, blocks in params:
            shape = (p.shape[0] // blocks, p.shape[1])
            self.groups.setdefault(shape, []).append((p, blocks))
        self.state = {s: torch.zeros(sum(b for _, b in g), *s) for s, g in self.groups.items()}

    def step(self, lr):
        for shape, group in self.groups.items():
            g = torch.cat([p.grad.view(b, *shape) for p, b in group])
            m = self.state[shape]
            m.lerp_(g, 1 - self.momentum)
            u = newton_schulz(g.lerp(m, self.momentum)) * max(1, shape[0] / shape[1]) ** 0.5
            i = 0
            for p, b in group:
                p.data.mul_(1 - lr * self.decay).add_(u[i:i + b].reshape(p.shape), alpha=-lr)
                i += b
