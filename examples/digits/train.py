#!/usr/bin/python3
"""Draw a digits data set, train a small residual network on it, write it in the forms that qcc reads.

    train.py            draw, train, write everything, check            (about five minutes on one core)
    train.py --check    only check the written files against each other
    train.py --preview digits.png   only draw: a sheet of samples to look at

Needs torch, onnx, numpy, PIL and the fonts listed in FONTS; on Debian:

    apt install python3-torch python3-onnx python3-pil fonts-dejavu fonts-liberation fonts-freefont-ttf

Written beside this file:

    digits.ir, digits.npz    the network in qcc's text IR, and its weights
    digits.onnx              the same network, same tensor names, batch norm unfused (opset 13)
    calib.npz                x: calibration inputs
    eval.npz                 x, y: labelled inputs that training has not seen

The text IR is the one description of the network: Network writes it, evaluate() runs it, in training too.
"""

import argparse
import functools
import math
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
EPOCHS, EPOCH_SAMPLES, BATCH = 20, 12800, 64
CALIB_SAMPLES, EVAL_SAMPLES = 128, 1000
# Every epoch draws new samples, with the seeds from TRAIN_SEED on.
INIT_SEED, CALIB_SEED, EVAL_SEED, TRAIN_SEED = 1, 2, 3, 1000


# --- the data set -------------------------------------------------------------------------------------------

FONT_DIR = Path("/usr/share/fonts/truetype")
FONTS = [
    "dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf", "dejavu/DejaVuSans-ExtraLight.ttf",
    "dejavu/DejaVuSansCondensed-Oblique.ttf", "dejavu/DejaVuSansMono.ttf", "dejavu/DejaVuSerif.ttf",
    "dejavu/DejaVuSerif-BoldItalic.ttf", "dejavu/DejaVuSerifCondensed.ttf",
    "liberation/LiberationSans-Regular.ttf", "liberation/LiberationSans-BoldItalic.ttf",
    "liberation/LiberationSansNarrow-Regular.ttf", "liberation/LiberationSerif-Regular.ttf",
    "liberation/LiberationSerif-Italic.ttf", "liberation/LiberationMono-Regular.ttf",
    "freefont/FreeSans.ttf", "freefont/FreeSansBold.ttf", "freefont/FreeSerif.ttf",
    "freefont/FreeSerifBoldItalic.ttf", "freefont/FreeMono.ttf", "freefont/FreeMonoBoldOblique.ttf",
]
GLYPH = 64    # side of a drawn glyph; warping samples it down to SIDE
SIDE = 28
STROKES = 4   # how many pixels a stroke may be thickened by, at GLYPH resolution


@functools.lru_cache(maxsize=None)
def glyphs():
    """All digits in all fonts and stroke widths: f32[10, fonts * strokes, GLYPH, GLYPH], ink is 1."""
    sheet = np.zeros((10, len(FONTS), STROKES, GLYPH, GLYPH), np.float32)
    for f, path in enumerate(FONTS):
        if not (FONT_DIR / path).exists():
            sys.exit(f"train.py: {FONT_DIR / path} is missing; the packages to install are named in the docstring")
        font = ImageFont.truetype(str(FONT_DIR / path), 52)
        for digit in range(10):
            for stroke in range(STROKES):
                image = Image.new("L", (GLYPH, GLYPH))
                ImageDraw.Draw(image).text((GLYPH / 2, GLYPH / 2), str(digit), fill=255, font=font, anchor="mm",
                                           stroke_width=stroke)
                sheet[digit, f, stroke] = np.asarray(image, np.float32) / 255
    return torch.from_numpy(sheet).flatten(1, 2)


def draw(count, seed):
    """count samples: x f32[count, 1, SIDE, SIDE] in 0..1, in steps of 1/255, and their labels."""
    rng = torch.Generator().manual_seed(seed)

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, generator=rng)

    labels = torch.randint(10, (count,), generator=rng)
    style = torch.randint(len(FONTS) * STROKES, (count,), generator=rng)
    image = glyphs()[labels, style][:, None]

    # Where each output pixel looks into the glyph: affine, then perspective, then a smooth elastic field.
    angle, shear = uniform(-0.4, 0.4), uniform(-0.35, 0.35)
    scale_x, scale_y = 1 / uniform(0.6, 1.1), 1 / uniform(0.6, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    homography = torch.stack([
        torch.stack([scale_x * cos, scale_x * (shear * cos - sin), uniform(-0.3, 0.3)], 1),
        torch.stack([scale_y * sin, scale_y * (shear * sin + cos), uniform(-0.3, 0.3)], 1),
        torch.cat([uniform(-0.25, 0.25, 2), torch.ones(count, 1)], 1)], 1)
    fine = 2 * SIDE
    axis = (torch.arange(fine) + 0.5) / SIDE - 1
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([u, v, torch.ones_like(u)], -1).view(1, -1, 3) @ homography.transpose(1, 2)
    where = (points[..., :2] / points[..., 2:]).view(count, fine, fine, 2)
    elastic = torch.randn(count, 2, 5, 5, generator=rng) * uniform(0.02, 0.1, 1, 1, 1)
    where = where + F.interpolate(elastic, (fine, fine), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    image = F.avg_pool2d(F.grid_sample(image, where, align_corners=False), 2)

    # A pen stroke across one sample in three, as dirt or as part of a neighbour.
    a, b = uniform(-1.1, 1.1, 1, 1, 2), uniform(-1.1, 1.1, 1, 1, 2)
    pixel = torch.stack([u, v], -1)[::2, ::2][None]
    along = (((pixel - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1).clamp_min(1e-3)).clamp(0, 1)
    distance = (pixel - a - along[..., None] * (b - a)).norm(dim=-1)
    stroke = (1.5 - distance * SIDE / 2 / uniform(0.4, 0.8, 1, 1)).clamp(0, 1) * (uniform(0, 1, 1, 1) < 0.33)
    image = torch.maximum(image, stroke[:, None] * uniform(0.4, 1, 1, 1, 1))

    # Light: a slanted background, ink of some contrast, now and then the negative; then noise.
    paper = uniform(0, 0.35, 1, 1, 1) + uniform(-0.15, 0.15, 1, 1, 1) * u[::2, ::2] \
        + uniform(-0.15, 0.15, 1, 1, 1) * v[::2, ::2]
    image = paper + image * uniform(0.28, 0.9, 1, 1, 1)
    negative = uniform(0, 1, 1, 1, 1) < 0.15
    image = torch.where(negative, 1 - image, image)
    noise = torch.randn(image.shape, generator=rng) * uniform(0.01, 0.1, 1, 1, 1)
    return torch.round((image + noise).clamp(0, 1) * 255) / 255, labels


def preview(path):
    x, y = draw(400, TRAIN_SEED)
    x = x[torch.argsort(y, stable=True)].view(20, 20, SIDE, SIDE).permute(0, 2, 1, 3).reshape(20 * SIDE, 20 * SIDE)
    Image.fromarray((x.numpy() * 255).astype(np.uint8)).resize((1120, 1120)).save(path)


# --- the text IR: run it ------------------------------------------------------------------------------------

OPERATORS = {
    "conv2d": lambda training, x, w, b=None, *, stride, pad, groups=1:
        F.conv2d(x, w, b, stride, pad[:2], groups=groups),  # Network pads both sides alike
    "batch_norm": lambda training, x, weight, bias, mean, var, *, eps:
        F.batch_norm(x, mean, var, weight, bias, training, eps=eps),
    "relu": lambda training, x: F.relu(x),
    "add": lambda training, a, b: a + b,
    "global_avg_pool": lambda training, x: F.adaptive_avg_pool2d(x, 1),
    "flatten": lambda training, x, *, axis: torch.flatten(x, axis),
    "linear": lambda training, x, w, b: F.linear(x, w, b),
}


def statements(text):
    """(result, op, operands, attributes) for each statement; only what Network writes is understood."""
    for result, op, operands, attributes in re.findall(
            r"^ *%(\S+) = (\w+)\(([^)]*)\)(?: \{ (.*) \})?$", text, re.MULTILINE):
        pairs = re.findall(r"(\w+) = (\[[^]]*\]|[^,]+)", attributes)
        yield result, op, operands.split(", "), {name: eval(value) for name, value in pairs}


def evaluate(text, weights, image, training=False):
    values = {"%image": image, **{"@" + name: tensor for name, tensor in weights.items()}}
    for result, op, operands, attributes in statements(text):
        values["%" + result] = OPERATORS[op](training, *[values[name] for name in operands], **attributes)
    return values["%" + re.search(r"output %(\S+)", text).group(1)]


# --- the network --------------------------------------------------------------------------------------------

class Network(torch.nn.Module):
    """Writes the text IR statement by statement, and registers each weight where it is first named."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self.residual_network()
        self.text = "\n".join([
            "// Written by train.py: digits, 28x28 gray, pixel / 255. Change it there.",
            "model digits {",
            '  weights "digits.npz"',
            '  calibrate "calib.npz"',
            f"  input %image : f32[1, 1, {SIDE}, {SIDE}]",
            *self.lines,
            "}", ""])

    def residual_network(self):
        self.comment("Stem: 28x28, 16 channels.")
        x = self.conv_bn("image", "stem.conv", 1, 16)
        x = self.emit("stem.relu", "relu", x)

        self.comment("Block 1: residual, identity shortcut.")
        y = self.conv_bn(x, "block1.conv1", 16, 16)
        y = self.emit("block1.relu1", "relu", y)
        y = self.conv_bn(y, "block1.conv2", 16, 16)
        y = self.emit("block1.add", "add", y, x)
        x = self.emit("block1.relu2", "relu", y)

        self.comment("Block 2: residual, down to 14x14, 32 channels; the shortcut is a strided 1x1 convolution.")
        y = self.conv_bn(x, "block2.conv1", 16, 32, stride=2)
        y = self.emit("block2.relu1", "relu", y)
        y = self.conv_bn(y, "block2.conv2", 32, 32)
        shortcut = self.conv_bn(x, "block2.shortcut", 16, 32, kernel=1, stride=2)
        y = self.emit("block2.add", "add", y, shortcut)
        x = self.emit("block2.relu2", "relu", y)

        self.comment("Block 3: inverted residual: 1x1 up to 64 channels, depthwise 3x3, 1x1 down; its sum is signed.")
        y = self.conv_bn(x, "block3.expand", 32, 64, kernel=1)
        y = self.emit("block3.relu1", "relu", y)
        y = self.conv_bn(y, "block3.depthwise", 64, 64, groups=64)
        y = self.emit("block3.relu2", "relu", y)
        y = self.conv_bn(y, "block3.project", 64, 32, kernel=1)
        x = self.emit("block3.add", "add", y, x)

        self.comment("Block 4: residual, down to 7x7, 40 channels; the shortcut has a bias and no batch norm.")
        y = self.conv_bn(x, "block4.conv1", 32, 40, stride=2)
        y = self.emit("block4.relu1", "relu", y)
        y = self.conv_bn(y, "block4.conv2", 40, 40)
        shortcut = self.conv(x, "block4.shortcut", 32, 40, kernel=1, stride=2, bias=True)
        y = self.emit("block4.add", "add", y, shortcut)
        x = self.emit("block4.relu2", "relu", y)

        self.comment("Head: the mean of each channel, then ten logits.")
        x = self.emit("head.pool", "global_avg_pool", x)
        x = self.emit("head.flatten", "flatten", x, axis=1)
        w = self.weight("head.linear.weight", torch.randn(10, 40) / math.sqrt(40))
        self.emit("logits", "linear", x, w, self.bias("head.linear", 10))
        self.lines += ["", "  output %logits"]

    def comment(self, words):
        self.lines += ["", f"  // {words}"]

    def emit(self, result, op, *operands, **attributes):
        operands = ", ".join(name if name[0] == "@" else "%" + name for name in operands)
        attributes = ", ".join(f"{name} = {value}" for name, value in attributes.items())
        self.lines.append(f"  %{result} = {op}({operands})" + (f" {{ {attributes} }}" if attributes else ""))
        return result

    def weight(self, name, tensor, trained=True):
        module, (*path, leaf) = self, name.split(".")
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, torch.nn.Module())
            module = getattr(module, part)
        if trained:
            module.register_parameter(leaf, torch.nn.Parameter(tensor))
        else:
            module.register_buffer(leaf, tensor)
        return "@" + name

    def bias(self, name, filters):
        # Not zeros: two biases that meet in an add have the same gradient and would stay equal for ever, and the
        # ONNX exporter merges equal weights.
        return self.weight(name + ".bias", 0.1 * torch.randn(filters))

    def conv(self, x, name, channels, filters, kernel=3, stride=1, groups=1, bias=False):
        fan_in = channels // groups * kernel * kernel
        w = self.weight(name + ".weight",
                        torch.randn(filters, channels // groups, kernel, kernel) * math.sqrt(2 / fan_in))
        b = [self.bias(name, filters)] if bias else []
        attributes = {"stride": [stride, stride], "pad": [kernel // 2] * 4}
        if groups > 1:
            attributes["groups"] = groups
        return self.emit(name, "conv2d", x, w, *b, **attributes)

    def conv_bn(self, x, name, channels, filters, **convolution):
        x = self.conv(x, name, channels, filters, **convolution)
        name = re.sub(r"conv(\d*)$", r"bn\1", name) if "conv" in name else name + "_bn"
        return self.emit(name, "batch_norm", x,
                         self.weight(name + ".weight", torch.ones(filters)),
                         self.bias(name, filters),
                         self.weight(name + ".mean", torch.zeros(filters), trained=False),
                         self.weight(name + ".var", torch.ones(filters), trained=False), eps="1e-5")

    def forward(self, image):
        weights = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return evaluate(self.text, weights, image, self.training)


def train():
    torch.manual_seed(INIT_SEED)
    net = Network()
    steps = EPOCHS * EPOCH_SAMPLES // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for epoch in range(EPOCHS):
        x, y = draw(EPOCH_SAMPLES, TRAIN_SEED + epoch)
        total = 0.0
        for i in range(0, EPOCH_SAMPLES, BATCH):
            loss = F.cross_entropy(net(x[i:i + BATCH]), y[i:i + BATCH])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * BATCH
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {total / EPOCH_SAMPLES:.4f}", flush=True)
    return net.eval()


# --- writing and checking the files -------------------------------------------------------------------------

ONNX_OPS = {"conv2d": "Conv", "batch_norm": "BatchNormalization", "relu": "Relu", "add": "Add",
            "global_avg_pool": "GlobalAveragePool", "flatten": "Flatten", "linear": "Gemm"}


def export_onnx(net, path):
    """One ONNX node for each statement of the text IR, named as there, batch norm left as it is."""
    torch.onnx.export(net, torch.zeros(1, 1, SIDE, SIDE), str(path), opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                      input_names=["image"], output_names=["logits"])
    model = onnx.load(path)
    rows = list(statements(net.text))
    assert [node.op_type for node in model.graph.node] == [ONNX_OPS[op] for _, op, _, _ in rows]
    names = {node.output[0]: result for node, (result, *_) in zip(model.graph.node, rows)}
    for node in model.graph.node:
        assert len(node.output) == 1  # more would be batch norm in training mode
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[node.output[0]]]
        node.name = node.output[0]
        node.doc_string = ""
    model.graph.name = "digits"
    del model.graph.value_info[:]  # it has the old names; shapes follow from the input
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def evaluate_onnx(model, image):
    """The few ONNX operators in digits.onnx, read from the file alone."""
    values = {w.name: torch.from_numpy(onnx.numpy_helper.to_array(w).copy()) for w in model.graph.initializer}
    values["image"] = image
    for node in model.graph.node:
        a = {attr.name: onnx.helper.get_attribute_value(attr) for attr in node.attribute}
        x, *rest = [values[name] for name in node.input]
        if node.op_type == "Conv":
            assert a["pads"][:2] == a["pads"][2:] and a["dilations"] == [1, 1]
            y = F.conv2d(x, *rest, stride=a["strides"], padding=a["pads"][:2], groups=a["group"])
        elif node.op_type == "BatchNormalization":
            assert not a.get("training_mode")
            scale, bias, mean, var = [t.view(1, -1, 1, 1) for t in rest]
            y = (x - mean) / torch.sqrt(var + a["epsilon"]) * scale + bias
        elif node.op_type == "Relu":
            y = x.clamp_min(0)
        elif node.op_type == "Add":
            y = x + rest[0]
        elif node.op_type == "GlobalAveragePool":
            y = x.mean((2, 3), keepdim=True)
        elif node.op_type == "Flatten":
            assert a["axis"] == 1
            y = x.flatten(1)
        elif node.op_type == "Gemm":
            assert a["transB"] == 1 and a["alpha"] == a["beta"] == 1 and not a.get("transA")
            y = x @ rest[0].T + rest[1]
        else:
            raise SystemExit(f"train.py: digits.onnx has an unexpected {node.op_type}")
        values[node.output[0]] = y
    return values[model.graph.output[0].name]


def write(net):
    (HERE / "digits.ir").write_text(net.text)
    np.savez_compressed(HERE / "digits.npz", **{name: tensor.numpy() for name, tensor in net.state_dict().items()})
    export_onnx(net, HERE / "digits.onnx")
    np.savez_compressed(HERE / "calib.npz", x=draw(CALIB_SAMPLES, CALIB_SEED)[0].numpy())
    x, y = draw(EVAL_SAMPLES, EVAL_SEED)
    np.savez_compressed(HERE / "eval.npz", x=x.numpy(), y=y.numpy())


@torch.no_grad()
def check():
    text = (HERE / "digits.ir").read_text()
    assert text == Network().text, "digits.ir is not what this train.py writes"
    weights = {name: torch.from_numpy(array) for name, array in np.load(HERE / "digits.npz").items()}
    model = onnx.load(HERE / "digits.onnx")
    samples = np.load(HERE / "eval.npz")
    x, y = torch.from_numpy(samples["x"]), torch.from_numpy(samples["y"])
    calib = np.load(HERE / "calib.npz")["x"]
    for name, array in (("calib.npz", calib), ("eval.npz", samples["x"])):
        assert array.dtype == np.float32 and array.shape[1:] == (1, SIDE, SIDE), f"{name}: {array.shape}"
        assert array.min() >= 0 and array.max() <= 1, f"{name}: pixels outside 0..1"
    named = set(re.findall(r"@([\w.]+)", text))
    stored = {w.name for w in model.graph.initializer}
    assert named == set(weights) == stored, f"weights differ: {sorted(named ^ set(weights) | named ^ stored)}"
    ir_logits, onnx_logits = evaluate(text, weights, x), evaluate_onnx(model, x)
    difference = (ir_logits - onnx_logits).abs().max().item()
    print(f"parameters: {sum(w.numel() for w in weights.values())}")
    print(f"digits.ir   accuracy on eval.npz: {100 * (ir_logits.argmax(1) == y).float().mean():.2f} % of {len(y)}")
    print(f"digits.onnx accuracy on eval.npz: {100 * (onnx_logits.argmax(1) == y).float().mean():.2f} %")
    print(f"greatest difference of a logit: {difference:.2g} (greatest logit {ir_logits.abs().max():.3g})")
    assert difference < 1e-3


def main():
    parser = argparse.ArgumentParser(description="Train and export the digits example.")
    parser.add_argument("--check", action="store_true", help="only check the written files")
    parser.add_argument("--preview", metavar="PNG", help="only draw a sheet of samples")
    options = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order: the same weights on each run
    torch.use_deterministic_algorithms(True)
    if options.preview:
        preview(options.preview)
        return
    if not options.check:
        write(train())
    check()


if __name__ == "__main__":
    main()
