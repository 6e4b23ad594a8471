"""The networks, in the row order of the papers' tables.

Every network takes ECGs of shape (n, n_leads, n_times) and returns logits of shape
(n, n_classes). Shapes in comments are for 12 leads of 400 samples.
"""

import hashlib
import pickle
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# torchvision's IMAGENET1K_V1 weights of ResNet-18, BSD-3-Clause.
_IMAGENET_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
_IMAGENET_SHA256 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"


class _BasicBlock(nn.Module):
    """Two convolutions and a shortcut (Table 2); attribute names are torchvision's."""

    def __init__(self, n_in, n_out, kernel_size, stride):
        super().__init__()
        padding = tuple(k // 2 for k in kernel_size)
        self.conv1 = nn.Conv2d(n_in, n_out, kernel_size, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, kernel_size, 1, padding, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if n_in != n_out or max(stride) > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return F.relu(x + shortcut, inplace=True)


class _Trunk(nn.Module):
    """What the three ResNets share: stem and four stages, ``temporal`` (1 x k) or k x k."""

    def __init__(self, *, temporal):
        super().__init__()

        def along_time(k):
            return (1, k) if temporal else (k, k)

        def stage(n_in, n_out, stride):
            steps = (1, stride) if temporal else (stride, stride)
            return nn.Sequential(
                _BasicBlock(n_in, n_out, along_time(3), steps),
                _BasicBlock(n_out, n_out, along_time(3), (1, 1)),
            )

        stride = (1, 2) if temporal else (2, 2)
        pad3, pad1 = ((0, 3), (0, 1)) if temporal else ((3, 3), (1, 1))
        self.conv1 = nn.Conv2d(1, 64, along_time(7), stride, pad3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(along_time(3), stride, pad1)
        self.layer1 = stage(64, 64, 1)
        self.layer2 = stage(64, 128, 2)
        self.layer3 = stage(128, 256, 2)
        self.layer4 = stage(256, 512, 2)

    def features(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(1)  # 1 x 12 x 400
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # 64 x 12 x 200
        x = self.maxpool(x)  # 64 x 12 x 100
        x = self.layer1(x)  # 64 x 12 x 100
        x = self.layer2(x)  # 128 x 12 x 50
        x = self.layer3(x)  # 256 x 12 x 25
        return self.layer4(x)  # 512 x 12 x 13


class SmartNet(_Trunk):
    """ECG-SMART-NET: temporal residual blocks, then one spatial convolution.

    Parameters
    ----------
    n_leads : int, default=12
        Number of leads, the height of the spatial kernel.
    n_classes : int, default=2
        Number of classes.

    References
    ----------
    Riek et al. (2024), "ECG-SMART-NET", arXiv:2405.09567, Tables 1 and 2. The batch
    norm and ReLU after the spatial convolution are the authors' code's; Table 1 leaves
    them out.

    Examples
    --------
    >>> import torch
    >>> SmartNet()(torch.zeros(2, 12, 400)).shape
    torch.Size([2, 2])
    """

    def __init__(self, n_leads=12, n_classes=2):
        super().__init__(temporal=True)
        self.conv_spatial = nn.Conv2d(512, 512, (n_leads, 1), bias=False)
        self.bn_spatial = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # 512 x 12 x 13
        x = F.relu(self.bn_spatial(self.conv_spatial(x)), inplace=True)  # 512 x 1 x 13
        x = x.mean(dim=(2, 3))  # 512
        return self.fc(x)  # 2


class TemporalResNet18(_Trunk):
    """ResNet-18 with 1 x k kernels: ECG-SMART-NET without the spatial convolution.

    Parameters
    ----------
    n_classes : int, default=2
        Number of classes.

    References
    ----------
    Riek et al. (2024), arXiv:2405.09567, Figure 3 B.
    """

    def __init__(self, n_classes=2):
        super().__init__(temporal=True)
        self.fc = nn.Linear(512, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # 512 x 12 x 13
        x = x.mean(dim=(2, 3))  # 512
        return self.fc(x)  # 2


class ResNet18(_Trunk):
    """ResNet-18 with k x k kernels and one input channel, the ECG read as an image.

    Parameters
    ----------
    n_classes : int, default=2
        Number of classes.
    weights : None, "imagenet" or path, default=None
        Weights to start from: random, the ImageNet weights of torchvision (the
        paper's setting; fetched once into torch's hub folder, its sha256 checked at
        every use), or a file of tensors with torchvision's key names, read with
        ``weights_only=True``. The last layer is always drawn at random.
    stem : {"random", "sum"}, default="random"
        With weights, the first convolution of the one input channel: drawn at random
        (the authors' way) or the sum over the three colours.

    References
    ----------
    He et al. (2016), "Deep residual learning for image recognition", CVPR.
    Riek et al. (2024), arXiv:2405.09567, Figure 3 C.
    """

    def __init__(self, n_classes=2, weights=None, stem="random"):
        super().__init__(temporal=False)
        self.fc = nn.Linear(512, n_classes)
        if stem not in ("random", "sum"):
            raise ValueError(f"stem must be 'random' or 'sum', got {stem!r}.")
        if weights is not None:
            self._load(_imagenet_file() if weights == "imagenet" else weights, stem)

    def _load(self, path, stem):
        try:
            state = dict(torch.load(path, map_location="cpu", weights_only=True))
        except (pickle.UnpicklingError, EOFError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is not a file of tensors by name, such as "
                "torch.save(net.state_dict(), path) writes."
            ) from error
        own = self.state_dict()
        if stem == "sum":
            if "conv1.weight" not in state:
                raise ValueError(f"{path} has no conv1.weight to sum; use stem='random'.")
            state["conv1.weight"] = state["conv1.weight"].sum(dim=1, keepdim=True)
        else:
            state["conv1.weight"] = own["conv1.weight"]
        state["fc.weight"], state["fc.bias"] = own["fc.weight"], own["fc.bias"]
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(
                f"{path} does not hold ResNet-18 weights under torchvision's names: {error}"
            ) from error

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # 512 x 1 x 13
        x = x.mean(dim=(2, 3))  # 512
        return self.fc(x)  # 2


def _imagenet_file():
    path = Path(torch.hub.get_dir()) / "checkpoints" / "resnet18-f37072fd.pth"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(
                _IMAGENET_URL, str(path), hash_prefix=_IMAGENET_SHA256, progress=False
            )
        except (OSError, RuntimeError) as error:
            raise OSError(
                f"The ImageNet weights could not be fetched from {_IMAGENET_URL} ({error}). "
                f"Put the file at {path}, give its path as weights=, or use weights=None "
                "to start from random weights."
            ) from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _IMAGENET_SHA256:
        raise ValueError(
            f"{path} is not the published file: its sha256 is {found}, not "
            f"{_IMAGENET_SHA256}. Delete it and fetch it again."
        )
    return path


class ALVDNet(nn.Module):
    """The Mayo Clinic's network for ventricular dysfunction, as compared in the paper.

    Six temporal blocks (convolution, batch norm, ReLU, max pool), one spatial
    convolution, two hidden layers. Inputs of fewer than 120 samples are padded with
    zeros at the end to the 120 that the pools need.

    Parameters
    ----------
    n_leads : int, default=12
        Number of leads, the height of the spatial kernel.
    n_classes : int, default=2
        Number of classes.

    References
    ----------
    Attia et al. (2019), Nature Medicine 25:70-74, in the variant of Riek et al. (2024)
    for 12 x 400.
    """

    _MIN_TIMES = 120

    def __init__(self, n_leads=12, n_classes=2):
        super().__init__()

        def block(n_in, n_out, k, pool):
            return nn.Sequential(
                nn.Conv2d(n_in, n_out, (1, k), padding=(0, k // 2)),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
                nn.MaxPool2d((1, pool), padding=(0, 1 if pool == 4 else 0)),
            )

        self.temporal = nn.Sequential(
            block(1, 16, 5, 2),  # 16 x 12 x 200
            block(16, 16, 5, 2),  # 16 x 12 x 100
            block(16, 32, 5, 4),  # 32 x 12 x 25
            block(32, 32, 3, 2),  # 32 x 12 x 12
            block(32, 64, 3, 2),  # 64 x 12 x 6
            block(64, 64, 3, 4),  # 64 x 12 x 2
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(64, 64, (n_leads, 1)), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        )
        self.hidden = nn.Sequential(
            nn.Linear(64, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(64, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
        )
        self.fc = nn.Linear(32, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, max(0, self._MIN_TIMES - x.shape[-1])))
        # One channel, laid out channels-last: so are then all layers, whose pools and batch norms
        # take most of the time otherwise.
        x = self.temporal(x.unsqueeze(-1).movedim(-1, 1))  # 64 x 12 x 2
        x = self.spatial(x)  # 64 x 1 x 2
        x = x.mean(dim=(2, 3))  # 64
        return self.fc(self.hidden(x))  # 2
