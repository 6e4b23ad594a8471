"""Networks made ready to predict: batch norm in the convolutions before it, pools by views."""

import copy
import weakref
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .networks import ALVDNet, ResNet18, SmartNet, TemporalResNet18, _BasicBlock

# Networks and blocks whose layers run in the order in which they are declared; of others nothing is
# known.
KNOWN = (ALVDNet, ResNet18, SmartNet, TemporalResNet18)
_IN_ORDER = (*KNOWN, _BasicBlock, nn.Sequential)

# Kernel, stride and padding of pools whose windows lie side by side.
_TILES = {((1, 2), (1, 2), (0, 0)), ((1, 4), (1, 4), (0, 1))}
_WEIGHTS_AN_ECG = 1_000_000  # weights compared in the time that one ECG gains
_KEPT = weakref.WeakKeyDictionary()  # of each network: layers, settings, weights, the folded copy


def can_fold(layers):
    """Tell whether layers (a network first) are one of this package's, as the package runs them.

    A hook would see the change; a ``forward`` of a layer's own may do anything.
    """
    return type(layers[0]) in KNOWN and not any(
        each._forward_hooks or each._forward_pre_hooks or "forward" in vars(each) for each in layers
    )


def ready(net, n):
    """Return the network that predicts `n` ECGs soonest: itself, or a copy without batch norm.

    None if the network cannot be folded.
    A batch norm in eval mode is a scale and a shift of each channel, and goes into the weights of
    the convolution before it. Probabilities agree to float32 rounding. The copy is kept while the
    network lives, and made anew once a weight, a layer or a setting is another. Weights are
    compared value by value, since torch does not tell of every way to change them; for few ECGs by
    a large network that takes longer than it saves.
    """
    layers = list(net.modules())
    if not can_fold(layers):
        return None
    tensors = [each for x in layers for each in (*x._parameters.values(), *x._buffers.values())]
    weights = [each for each in tensors if each is not None]
    if sum(map(torch.numel, weights)) > _WEIGHTS_AN_ECG * n:
        return net.eval() if any(each.training for each in layers) else net
    kept = _KEPT.get(net)
    found = layers[1:], list(map(_settings, layers))
    if kept is None or kept[:2] != found or not all(map(_equal, kept[2], weights)):
        copied = folded(net)
        if weights[0].device.type == "cpu":
            _pool_by_views(copied)
        kept = *found, [weight.detach().clone() for weight in weights], copied
        _KEPT[net] = kept
    return kept[3]


def _settings(layer):
    """Return what a layer holds beside tensors and layers: its stride, its eps."""
    return {k: v for k, v in vars(layer).items() if not k.startswith("_") and k != "training"}


def _equal(a, b):
    return a.device == b.device and a.dtype == b.dtype and torch.equal(a, b)


def folded(net):
    """Return a copy of a network with its batch norms in its convolutions, channels-last."""
    net = copy.deepcopy(net).eval()
    for module in [each for each in net.modules() if type(each) in _IN_ORDER]:
        for (name, conv), (name_after, norm) in pairwise(list(module.named_children())):
            if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, name_after, nn.Identity())
    return net.to(memory_format=torch.channels_last)


class _PooledReLU(nn.Module):
    """ReLU and then a max pool whose windows do not overlap: the maximum of strided views.

    Torch's pool takes several times as long, since it looks for indices as well.
    """

    def __init__(self, pool):
        super().__init__()
        self.size, self.padding = pool.kernel_size[1], pool.padding[1]

    def forward(self, x):
        n_times, k = x.shape[-1], self.size
        n = (n_times + 2 * self.padding - k) // k + 1
        out = x[..., : k * n : k].clamp_min(0)
        for offset in range(-self.padding, k - self.padding):
            first = 1 if offset < 0 else 0  # the padding holds no samples
            last = min(n, (n_times - offset - 1) // k + 1)
            if offset:
                view = x[..., k * first + offset : k * (last - 1) + offset + 1 : k]
                torch.maximum(out[..., first:last], view, out=out[..., first:last])
        return out


def _pool_by_views(net):
    """Change a network's ReLUs before pools without overlap, and these pools, in place."""
    for module in [each for each in net.modules() if type(each) is nn.Sequential]:
        for (name, relu), (name_after, pool) in pairwise(list(module.named_children())):
            if type(relu) is nn.ReLU and type(pool) is nn.MaxPool2d and _has_tiles(pool):
                setattr(module, name, _PooledReLU(pool))
                setattr(module, name_after, nn.Identity())


def _has_tiles(pool):
    plain = pool.dilation == 1 and not pool.ceil_mode and not pool.return_indices
    return plain and (pool.kernel_size, pool.stride, pool.padding) in _TILES
