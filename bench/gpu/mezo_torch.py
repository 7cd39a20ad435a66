"""MeZO in PyTorch (arXiv 2305.17333, Algorithm 1), on the encoder of bench/transformer.ts: what bench/gpu is held against.

Weights are random, of the same sizes; batches come from the host and losses go back there, as they do for the server. Products are
of whole float32 numbers, which is PyTorch's default. python3 mezo_torch.py --layers 6 --hidden 384 --batch 16 --sequence 128
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, POSITIONS, HEAD_SIZE, CLASSES, NORM_EPSILON = 30522, 512, 32, 2, 1e-12
EPSILON, LEARNING_RATE = 1e-3, 1e-6
WARM_UP_ROUNDS, BLOCK_SECONDS, STEPS_MAX = 3, 0.3, 64


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.intermediate, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.attention_norm, self.output_norm = (nn.LayerNorm(width, eps=NORM_EPSILON) for _ in range(2))

    def forward(self, hidden, mask):
        batch, sequence, width = hidden.shape
        parts = (part(hidden) for part in (self.query, self.key, self.value))
        heads = (part.view(batch, sequence, width // HEAD_SIZE, HEAD_SIZE).transpose(1, 2) for part in parts)
        mixed = functional.scaled_dot_product_attention(*heads, attn_mask=mask)
        attended = self.output(mixed.transpose(1, 2).reshape(batch, sequence, width))
        between = self.attention_norm(attended + hidden)
        return self.output_norm(self.narrow(functional.gelu(self.intermediate(between))) + between)


class Encoder(nn.Module):
    def __init__(self, layers, width):
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(POSITIONS, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, CLASSES)

    def forward(self, ids, mask):
        padding = ((1 - mask.float()) * -10000)[:, None, None, :]
        hidden = self.norm(self.words(ids) + self.positions(mask.cumsum(1) * mask))
        for layer in self.layers:
            hidden = layer(hidden, padding)
        return self.classifier(torch.tanh(self.pooler(hidden[:, 0])))


def perturb(model, scale, seed):
    """PerturbParameters: theta += scale z, z drawn anew from the seed, tensor by tensor."""
    torch.manual_seed(seed)
    for weight in model.parameters():
        weight.data.add_(torch.normal(mean=0, std=1, size=weight.size(), device=weight.device), alpha=scale)


def mezo_step(model, loss, seed):
    """Algorithm 1: the weights are at theta before and after it, two losses and four walks over them between."""
    perturb(model, EPSILON, seed)
    plus = loss()
    perturb(model, -2 * EPSILON, seed)
    minus = loss()
    perturb(model, EPSILON, seed)
    projected_gradient = (plus - minus) / (2 * EPSILON)
    perturb(model, -LEARNING_RATE * projected_gradient, seed)


class Lab:
    def __init__(self, options):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(0)
        self.model = Encoder(options.layers, options.hidden).to(self.device).eval()
        shape = (options.batch, options.sequence)
        self.ids = (torch.arange(shape[0] * shape[1]) * 7919 + 13).remainder(VOCABULARY).view(shape)
        self.mask, self.labels = torch.ones(shape, dtype=torch.long), torch.arange(shape[0]) % CLASSES
        self.seed = 0

    def logits(self):
        return self.model(self.ids.to(self.device), self.mask.to(self.device))

    def forward(self):
        self.logits().cpu()

    def loss(self):
        return functional.cross_entropy(self.logits(), self.labels.to(self.device)).item()

    def step(self):
        self.seed += 1
        mezo_step(self.model, self.loss, self.seed)

    def seconds(self, work, count):
        self.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            work()
        self.synchronize()
        return (time.perf_counter() - start) / count

    def synchronize(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def peak_mib(self, work):
        """The most that was allocated on the device meanwhile; without one, that was ever resident of this process."""
        if self.device == "cpu":
            work()
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() / 2**20


def measure(lab, rounds):
    samples = {name: [] for name in ("torch.forward", "torch.forward.aa", "torch.step", "torch.step.ratio")}
    memory = lab.peak_mib(lab.forward), lab.peak_mib(lab.step)
    count = 1
    for round_ in range(-WARM_UP_ROUNDS, rounds):
        first = lab.seconds(lab.forward, 2 * count)
        step = lab.seconds(lab.step, count)
        second = lab.seconds(lab.forward, 2 * count)
        forward = (first + second) / 2
        if round_ < 0:
            count = min(STEPS_MAX, max(1, round(BLOCK_SECONDS / step)))
            continue
        for name, value in zip(samples, (1e3 * forward, first / second, 1e3 * step, step / (2 * forward))):
            samples[name].append(value)
    samples |= {"torch.memory.forward": [memory[0]], "torch.memory.mezo": [memory[1]]}
    return samples | {"torch.memory.mezo.ratio": [memory[1] / memory[0]]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("layers", 6), ("hidden", 384), ("batch", 16), ("sequence", 128), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json")
    options = parser.parse_args()
    lab = Lab(options)
    with torch.inference_mode():
        samples = measure(lab, options.rounds)
    units = {"forward": "ms", "step": "ms", "aa": "x", "ratio": "x"}
    results = []
    for name, values in samples.items():
        unit = "MiB" if name in ("torch.memory.forward", "torch.memory.mezo") else units[name.split(".")[-1]]
        figures = {"median": statistics.median(values), "minimum": min(values), "maximum": max(values)}
        results.append({"name": name, "unit": unit, **figures, "samples": len(values)})
        print(f"{name:<24} {figures['median']:10.4g} {figures['minimum']:10.4g} {figures['maximum']:10.4g} {unit}")
    where = torch.cuda.get_device_name() if lab.device == "cuda" else "cpu"
    print(f"PyTorch {torch.__version__} on {where}")
    if options.json:
        report = {"torch": torch.__version__, "device": where, "options": vars(options), "results": results}
        with open(options.json, "w") as file:
            json.dump(report, file, indent=2)


main()
