"""Tests of the networks: the papers' tables, row by row."""

import hashlib
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skecg import networks
from skecg.networks import ALVDNet, ResNet18, SmartNet, TemporalResNet18

ALL = [SmartNet, TemporalResNet18, ResNet18, ALVDNet]
RESNETS = [SmartNet, TemporalResNet18, ResNet18]
TAKE_LEADS = (SmartNet, ALVDNet)

# The rows after the input, as channels x leads x samples.
STEM_TO_STAGE_4 = {
    "conv1": (64, 12, 200),
    "maxpool": (64, 12, 100),
    "layer1": (64, 12, 100),
    "layer2": (128, 12, 50),
    "layer3": (256, 12, 25),
    "layer4": (512, 12, 13),
}
ROWS = {
    SmartNet: STEM_TO_STAGE_4 | {"conv_spatial": (512, 1, 13), "fc": (2,)},
    TemporalResNet18: STEM_TO_STAGE_4 | {"fc": (2,)},
    ResNet18: {
        "conv1": (64, 6, 200),
        "maxpool": (64, 3, 100),
        "layer1": (64, 3, 100),
        "layer2": (128, 2, 50),
        "layer3": (256, 1, 25),
        "layer4": (512, 1, 13),
        "fc": (2,),
    },
    ALVDNet: {
        "temporal.0": (16, 12, 200),
        "temporal.1": (16, 12, 100),
        "temporal.2": (32, 12, 25),
        "temporal.3": (32, 12, 12),
        "temporal.4": (64, 12, 6),
        "temporal.5": (64, 12, 2),
        "spatial": (64, 1, 2),
        "hidden.0": (64,),
        "hidden.4": (32,),
        "fc": (2,),
    },
}


def make(network, n_leads=12, **params):
    if network in TAKE_LEADS:
        params["n_leads"] = n_leads
    torch.manual_seed(0)
    return network(**params)


def ecgs(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def unsettle(net):
    """Give batch norms other than their first statistics, so that leaving one out would show."""
    generator = torch.Generator().manual_seed(2)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
    return net.eval()


def tapped(net, names, X):
    """Return the input and the output of submodules while `net` reads `X`."""
    seen = {}

    def keep(name):
        return lambda module, args, out: seen.update({name: (args[0].clone(), out.clone())})

    handles = [net.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    with torch.no_grad():
        net(X)
    for handle in handles:
        handle.remove()
    return seen


# -- the tables -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "n_parameters"),
    [
        (SmartNet, 6_991_682),
        (TemporalResNet18, 3_844_930),
        (ResNet18, 11_171_266),
        (ALVDNet, 81_938),
    ],
)
def test_number_of_parameters_is_the_published_one(network, n_parameters):
    assert sum(p.numel() for p in network().parameters()) == n_parameters


@pytest.mark.parametrize("network", ALL)
def test_every_row_of_the_table_has_its_output_shape(network):
    seen = tapped(make(network).eval(), ROWS[network], ecgs(2, 12, 400))
    assert {name: tuple(out.shape[1:]) for name, (_, out) in seen.items()} == ROWS[network]


@pytest.mark.parametrize("network", [SmartNet, TemporalResNet18])
@pytest.mark.parametrize(
    ("name", "kernel", "stride", "padding"),
    [
        ("conv1", (1, 7), (1, 2), (0, 3)),
        ("maxpool", (1, 3), (1, 2), (0, 1)),
        ("layer1.0.conv1", (1, 3), (1, 1), (0, 1)),
        ("layer2.0.conv1", (1, 3), (1, 2), (0, 1)),
        ("layer3.0.conv1", (1, 3), (1, 2), (0, 1)),
        ("layer4.0.conv1", (1, 3), (1, 2), (0, 1)),
        ("layer4.0.conv2", (1, 3), (1, 1), (0, 1)),
        ("layer4.1.conv1", (1, 3), (1, 1), (0, 1)),
        ("layer4.1.conv2", (1, 3), (1, 1), (0, 1)),
    ],
)
def test_temporal_layers_have_the_parameters_of_tables_1_and_2(
    network, name, kernel, stride, padding
):
    layer = network().get_submodule(name)
    assert (layer.kernel_size, layer.stride, layer.padding) == (kernel, stride, padding)


def test_spatial_layer_has_the_parameters_of_table_1():
    layer = SmartNet().conv_spatial
    assert (layer.kernel_size, layer.stride, layer.padding) == ((12, 1), (1, 1), (0, 0))


@pytest.mark.parametrize("network", RESNETS)
def test_convolutions_of_a_resnet_have_no_bias(network):
    convolutions = [m for m in network().modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) >= 20
    assert all(conv.bias is None for conv in convolutions)


@pytest.mark.parametrize("network", RESNETS)
@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_only_the_first_block_of_stages_2_to_4_has_a_convolution_in_its_shortcut(network, stage):
    first, second = network().get_submodule(f"layer{stage}")
    assert (first.downsample is None) == (stage == 1)
    assert second.downsample is None


@pytest.mark.parametrize("network", [SmartNet, ResNet18])
@pytest.mark.parametrize("name", ["layer1.0", "layer2.0"])
def test_residual_block_adds_its_shortcut_before_the_last_relu(network, name):
    net = unsettle(make(network))
    block = net.get_submodule(name)
    x, out = tapped(net, [name], ecgs(2, 12, 400))[name]
    inner = F.relu(block.bn1(block.conv1(x)))
    shortcut = block.downsample(x) if name == "layer2.0" else x
    torch.testing.assert_close(out, F.relu(block.bn2(block.conv2(inner)) + shortcut))


@pytest.mark.parametrize("network", RESNETS)
def test_stem_is_followed_by_batch_norm_and_relu(network):
    net = unsettle(make(network))
    seen = tapped(net, ["conv1", "maxpool"], ecgs(2, 12, 400))
    torch.testing.assert_close(seen["maxpool"][0], F.relu(net.bn1(seen["conv1"][1])))


def test_spatial_layer_of_smartnet_is_followed_by_batch_norm_and_relu():
    net = unsettle(make(SmartNet))
    seen = tapped(net, ["conv_spatial", "fc"], ecgs(2, 12, 400))
    normed = net.bn_spatial(seen["conv_spatial"][1])
    assert normed.min() < 0  # there is something for the ReLU to cut
    torch.testing.assert_close(seen["fc"][0], F.relu(normed).mean(dim=(2, 3)))


@pytest.mark.parametrize("network", [SmartNet, TemporalResNet18])
def test_temporal_trunk_keeps_leads_apart(network):
    net = make(network).eval()
    X = ecgs(1, 12, 400)
    changed = X.clone()
    changed[:, 4] += 1
    with torch.no_grad():
        moved = (net.features(X) - net.features(changed)).abs().amax(dim=(0, 1, 3))
    assert moved[4] > 0
    assert moved[torch.arange(12) != 4].max() == 0


@pytest.mark.parametrize(
    ("network", "sees_the_order"),
    [(SmartNet, True), (TemporalResNet18, False), (ResNet18, True), (ALVDNet, True)],
)
def test_only_the_temporal_resnet_is_blind_to_the_order_of_leads(network, sees_the_order):
    net = unsettle(make(network))
    X = ecgs(4, 12, 400)
    with torch.no_grad():
        same = torch.allclose(net(X), net(X.flip(1)), atol=1e-5)
    assert same != sees_the_order


def test_alvd_blocks_have_the_published_filters_kernels_and_pools():
    blocks = ALVDNet().temporal
    assert [conv.out_channels for conv, *_ in blocks] == [16, 16, 32, 32, 64, 64]
    assert [conv.kernel_size for conv, *_ in blocks] == [(1, k) for k in (5, 5, 5, 3, 3, 3)]
    assert [pool.kernel_size for *_, pool in blocks] == [(1, k) for k in (2, 2, 4, 2, 2, 4)]


def test_alvd_drops_a_fifth_after_each_hidden_layer():
    assert [m.p for m in ALVDNet().modules() if isinstance(m, nn.Dropout)] == [0.2, 0.2]


# -- other shapes ---------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("n_leads", "n_times"), [(1, 1), (1, 400), (12, 1), (2, 119), (8, 121), (19, 256), (15, 1000)]
)
@pytest.mark.parametrize("network", ALL)
def test_any_number_of_leads_and_samples_gives_finite_logits(network, n_leads, n_times, training):
    net = make(network, n_leads, n_classes=3).train(training)
    logits = net(ecgs(3, n_leads, n_times))
    assert logits.shape == (3, 3)
    assert logits.isfinite().all()


@pytest.mark.parametrize("network", ALL)
def test_every_parameter_has_a_gradient(network):
    net = make(network)
    F.cross_entropy(net(ecgs(4, 12, 400)), torch.tensor([0, 1, 0, 1])).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("network", ALL)
def test_rows_do_not_affect_one_another_in_eval(network):
    net = make(network).eval()
    X = ecgs(3, 12, 400)
    with torch.no_grad():
        torch.testing.assert_close(net(X)[1:2], net(X[1:2]))


def stepped(net, X, layout=torch.channels_last):
    """Step through ALVDNet without its padding."""
    last = layout == torch.channels_last
    x = X.unsqueeze(-1).movedim(-1, 1) if last else X.unsqueeze(1)
    x = net.spatial(net.temporal(x)).mean(dim=(2, 3))
    return net.fc(net.hidden(x))


@pytest.mark.parametrize("n_times", [120, 400])
def test_alvd_pads_nothing_from_120_samples_on(n_times):
    net = make(ALVDNet).eval()
    X = ecgs(2, 12, n_times)
    with torch.no_grad():
        assert torch.equal(net(X), stepped(net, X))


@pytest.mark.parametrize("n_times", [1, 50, 119])
def test_alvd_pads_shorter_ecgs_with_zeros_at_the_end(n_times):
    net = make(ALVDNet).eval()
    X = torch.zeros(2, 12, 120)
    X[..., :n_times] = ecgs(2, 12, n_times)
    with torch.no_grad():
        assert torch.equal(net(X[..., :n_times]), net(X))


def test_alvd_answers_the_same_in_the_other_layout():
    net = unsettle(make(ALVDNet))
    X, other = ecgs(3, 12, 400).requires_grad_(), ecgs(3, 12, 400).requires_grad_()
    logits, expected = net(X), stepped(net, other, torch.contiguous_format)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6)
    for each in (logits, expected):
        each[:, 1].sum().backward()
    torch.testing.assert_close(X.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_alvd_pools_need_120_samples():
    with pytest.raises(RuntimeError, match="too small"):
        stepped(make(ALVDNet).eval(), ecgs(2, 12, 119))


# -- weights of ResNet-18 -------------------------------------------------------------------


def torchvision_shapes():
    """Return the names and shapes of torchvision's ResNet-18, written out by hand."""
    shapes = {"conv1.weight": (64, 3, 7, 7)}

    def batch_norm(name, n):
        shapes.update(dict.fromkeys((f"{name}.weight", f"{name}.bias"), (n,)))
        shapes.update(dict.fromkeys((f"{name}.running_mean", f"{name}.running_var"), (n,)))
        shapes[f"{name}.num_batches_tracked"] = ()

    batch_norm("bn1", 64)
    n_in = 64
    for stage, n_out in enumerate((64, 128, 256, 512), start=1):
        for block, n_before in enumerate((n_in, n_out)):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1.weight"] = (n_out, n_before, 3, 3)
            batch_norm(f"{name}.bn1", n_out)
            shapes[f"{name}.conv2.weight"] = (n_out, n_out, 3, 3)
            batch_norm(f"{name}.bn2", n_out)
            if n_before != n_out:
                shapes[f"{name}.downsample.0.weight"] = (n_out, n_before, 1, 1)
                batch_norm(f"{name}.downsample.1", n_out)
        n_in = n_out
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


@pytest.fixture(scope="module")
def torchvision_state():
    generator = torch.Generator().manual_seed(3)
    state = {
        name: torch.rand(shape, generator=generator) if shape else torch.tensor(7)
        for name, shape in torchvision_shapes().items()
    }
    # torchvision states 11,689,512 parameters for its ResNet-18.
    learned = [v for k, v in state.items() if k.endswith((".weight", ".bias"))]
    assert sum(v.numel() for v in learned) == 11_689_512
    return state


@pytest.fixture(scope="module")
def weights_file(torchvision_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision_state, path)
    return path


def seeded_resnet(**params):
    torch.manual_seed(5)
    return ResNet18(**params)


@pytest.mark.parametrize("stem", ["random", "sum"])
def test_weights_are_loaded_by_torchvisions_names(weights_file, torchvision_state, stem):
    loaded = ResNet18(weights=weights_file, stem=stem).state_dict()
    own = ("conv1.", "fc.")
    assert loaded.keys() == torchvision_state.keys()
    for name in loaded:
        if not name.startswith(own):
            assert torch.equal(loaded[name], torchvision_state[name]), name


def test_random_stem_keeps_the_networks_own_draw(weights_file):
    loaded, random = seeded_resnet(weights=weights_file), seeded_resnet()
    assert torch.equal(loaded.conv1.weight, random.conv1.weight)


def test_summed_stem_is_the_sum_over_the_colours(weights_file, torchvision_state):
    stem = ResNet18(weights=weights_file, stem="sum").conv1.weight
    red, green, blue = torchvision_state["conv1.weight"].unbind(1)
    torch.testing.assert_close(stem[:, 0], red + green + blue)


def test_summed_stem_answers_a_grey_image_as_the_colour_stem_does(weights_file, torchvision_state):
    grey = ecgs(2, 1, 12, 400)
    in_colour = F.conv2d(grey.expand(-1, 3, -1, -1), torchvision_state["conv1.weight"], stride=2)
    stem = ResNet18(weights=weights_file, stem="sum").conv1.weight
    torch.testing.assert_close(F.conv2d(grey, stem, stride=2), in_colour, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stem", ["random", "sum"])
def test_last_layer_is_the_networks_own_draw(weights_file, stem):
    loaded, random = seeded_resnet(weights=weights_file, stem=stem), seeded_resnet()
    assert torch.equal(loaded.fc.weight, random.fc.weight)
    assert torch.equal(loaded.fc.bias, random.fc.bias)


def test_weights_without_batch_norms_counters_are_loaded(torchvision_state, tmp_path):
    without = {k: v for k, v in torchvision_state.items() if "num_batches" not in k}
    torch.save(without, tmp_path / "old.pth")
    loaded = ResNet18(weights=tmp_path / "old.pth")
    assert torch.equal(loaded.bn1.weight, torchvision_state["bn1.weight"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layer2.0.conv1.weight": None}, "Missing key.*layer2.0.conv1.weight"),
        ({"layer5.0.conv1.weight": torch.zeros(1)}, "Unexpected key.*layer5.0.conv1.weight"),
        ({"layer3.1.bn2.bias": torch.zeros(3)}, "size mismatch for layer3.1.bn2.bias"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(torchvision_state, tmp_path, change, named):
    wrong = {k: v for k, v in (torchvision_state | change).items() if v is not None}
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(ValueError, match=rf"(?s)wrong\.pth does not hold ResNet-18.*{named}"):
        ResNet18(weights=tmp_path / "wrong.pth")


class Malicious:
    """Unpickling it would leave a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path):
    torch.save({"conv1.weight": Malicious(tmp_path / "trace")}, tmp_path / "malicious.pth")
    with pytest.raises(ValueError, match=r"malicious\.pth is not a file of tensors by name"):
        ResNet18(weights=tmp_path / "malicious.pth")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 half an archive"])
def test_a_file_that_torch_cannot_read_is_refused(tmp_path, content):
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.pth is not a file of tensors by name"):
        ResNet18(weights=tmp_path / "broken.pth")


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], 5])
def test_a_file_of_something_other_than_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth is not a file of tensors by name"):
        ResNet18(weights=tmp_path / "other.pth")


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        ResNet18(weights=tmp_path / "missing.pth")


def test_sum_without_a_stem_to_sum_is_refused(torchvision_state, tmp_path):
    torch.save({"fc.bias": torchvision_state["fc.bias"]}, tmp_path / "stemless.pth")
    with pytest.raises(ValueError, match=r"has no conv1\.weight to sum; use stem='random'"):
        ResNet18(weights=tmp_path / "stemless.pth", stem="sum")


@pytest.mark.parametrize("stem", ["mean", None])
def test_unknown_stem_is_refused(stem):
    with pytest.raises(ValueError, match=f"stem must be 'random' or 'sum', got {stem!r}"):
        ResNet18(stem=stem)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub folder, and no way to the network."""

    def refuse(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "checkpoints" / "resnet18-f37072fd.pth"


def test_imagenet_weights_under_a_wrong_hash_are_refused(hub):
    hub.parent.mkdir()
    hub.write_bytes(b"something else")
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(ValueError, match=f"sha256 is {found}, not f37072fd47e89c5e8.*fetch it"):
        ResNet18(weights="imagenet")


@pytest.mark.parametrize(
    "failure", [URLError("no route to host"), RuntimeError("invalid hash value"), TimeoutError("6")]
)
def test_failed_download_says_what_to_do(hub, monkeypatch, failure):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(OSError, match=r"could not be fetched from https://download\.pytorch") as e:
        ResNet18(weights="imagenet")
    assert str(failure) in str(e.value)
    assert f"Put the file at {hub}, give its path as weights=, or use weights=None" in str(e.value)


def test_imagenet_weights_are_fetched_once_with_their_full_hash(hub, weights_file, monkeypatch):
    sha256 = hashlib.sha256(weights_file.read_bytes()).hexdigest()
    calls = []

    def fetch(url, dst, hash_prefix=None, progress=True):
        calls.append((url, dst, hash_prefix))
        hub.write_bytes(weights_file.read_bytes())

    monkeypatch.setattr(networks, "_IMAGENET_SHA256", sha256)
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    nets = [ResNet18(weights="imagenet") for _ in range(2)]
    assert calls == [
        ("https://download.pytorch.org/models/resnet18-f37072fd.pth", str(hub), sha256)
    ]
    assert torch.equal(nets[0].layer4[1].bn2.bias, nets[1].layer4[1].bn2.bias)


def test_published_hash_is_the_one_in_the_files_name():
    assert networks._IMAGENET_SHA256.startswith("f37072fd")
    assert len(networks._IMAGENET_SHA256) == 64
