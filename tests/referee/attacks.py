"""Holds our Auto-PGD on the driver's decisions against pyautoattack, the package of its authors.

    pip install torch pyautoattack safetensors numpy
    cargo run --release --example attacked_frames -- /tmp/frames
    python tests/referee/attacks.py /tmp/frames

The example writes held-out frames, what our network makes of them, and our attacks on the joint decision among 55 actions. Here
perception, the features of a driver without a past, and the policy are rebuilt in PyTorch from assets/weights. Their outputs must
agree to 1e-4, our frames must be within the budget and must break the rebuilt driver as well, and frames that pyautoattack breaks
and we do not must be at most 1 in 100. Prints a table and exits with 1 if a bound is broken; where a package is missing it says so
and exits with 0, since a build must not need it.

What it printed stands in assets/results/attacks.md.
"""

import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")
try:
    import numpy as np
    import torch
    from importlib.metadata import version
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from safetensors.torch import load_file
except (ImportError, ValueError) as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

WEIGHTS = pathlib.Path(__file__).resolve().parents[2] / "assets" / "weights"
LEVELS = ["0.5", "1", "2"]
# One random start more or less decides 1 or 2 frames in 100, in either implementation; three leave fewer to chance.
ITERATIONS, RESTARTS = 100, 3
TARGETS = 9
PATCH, MERGE = 8, 2
DETAIL_GAIN, MEAN_GAIN = 4.0, 0.5
OFFSET, HEADING, CURVATURE, GAP, LEAD = 0, 1, 2, 3, 8
UNITS = [0.6, 0.12, 0.008, 0.7]
STEERS, ACCELERATIONS = 11, 5


def linear(rows, weights, name):
    return rows @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def normalised(rows):
    return rows / ((rows**2).mean(1, keepdim=True) + 1e-6).sqrt()


def layer_norm(rows, weights, name):
    gamma, beta = weights[f"{name}.gamma"], weights[f"{name}.beta"]
    return torch.nn.functional.layer_norm(rows, gamma.shape, gamma, beta, 1e-5)


class Driver(torch.nn.Module):
    """Frames and odometry to Q-values of 55 actions."""

    def __init__(self, odometry):
        super().__init__()
        self.eye = load_file(WEIGHTS / "perception.safetensors")
        self.policy = load_file(WEIGHTS / "policy.safetensors")
        self.odometry = odometry

    def of(self, rows):
        """The same driver in some of the situations."""
        return Driver(self.odometry[rows])

    def outputs(self, frames):
        count, _, height, width = frames.shape
        blocks = (height // PATCH // MERGE, MERGE, PATCH, width // PATCH // MERGE, MERGE, PATCH)
        patches = (frames - 0.5).reshape(count, 3, *blocks).permute(0, 2, 5, 3, 6, 4, 7, 1)
        patches = patches.reshape(-1, PATCH * PATCH, 3)
        mean = patches.mean(1, keepdim=True)
        patches = (DETAIL_GAIN * (patches - mean) + MEAN_GAIN * mean).reshape(-1, PATCH * PATCH * 3)
        stem = torch.relu(linear(patches, self.eye, "stem"))
        merged = torch.relu(linear(stem.reshape(len(stem) // MERGE**2, -1), self.eye, "merge"))
        frame = torch.relu(linear(normalised(merged.reshape(count, -1)), self.eye, "frame"))
        hidden = torch.relu(linear(normalised(frame), self.eye, "hidden"))
        return linear(normalised(hidden), self.eye, "head")

    def features(self, outputs):
        speed, acceleration, yaw_rate, steer, limit = self.odometry.unbind(1)
        offset, heading, curvature = (outputs[:, i] * UNITS[i] for i in (OFFSET, HEADING, CURVATURE))
        found = torch.sigmoid(outputs[:, LEAD]) >= 0.5
        gap = ((outputs[:, GAP] * UNITS[GAP] + 3.2).exp() - 3.0).clamp(0.0, 60.0)
        gap = torch.where(found, gap, torch.full_like(gap, 60.0))
        closing = torch.where(found, speed - 0.7 * speed, torch.zeros_like(speed))
        # Without a past the one percept stands for all three.
        history = [offset, heading / 0.1, curvature / 0.02] * 3
        ahead = [
            found.float(),
            gap / 30.0,
            6.0 / (gap + 3.0),
            closing / 5.0,
            3.0 * closing.clamp(min=0.0) / (gap + 1.0),
            (gap - 2.0 - 1.2 * speed) / 15.0,
        ]
        own = [
            speed / 15.0,
            limit / 15.0,
            (limit - speed) / 3.0,
            steer / 0.05,
            yaw_rate / 0.2,
            acceleration / 4.0,
            speed * heading,
            20.0 * (curvature - yaw_rate / speed.clamp(min=2.0)),
            (speed < 0.5).float(),
        ]
        return torch.stack(history + ahead + own, 1).clamp(-4.0, 4.0)

    def heads(self, outputs):
        hidden = torch.relu(layer_norm(linear(self.features(outputs), self.policy, "first"), self.policy, "first_norm"))
        hidden = torch.relu(layer_norm(linear(hidden, self.policy, "second"), self.policy, "second_norm"))
        return linear(hidden, self.policy, "heads")

    def forward(self, frames):
        heads = self.heads(self.outputs(frames))
        value, steer, acceleration = heads.split([1, STEERS, ACCELERATIONS], 1)
        steer = steer - steer.mean(1, keepdim=True)
        acceleration = acceleration - acceleration.mean(1, keepdim=True)
        return (value.unsqueeze(2) + steer.unsqueeze(2) + acceleration.unsqueeze(1)).flatten(1)


def theirs(driver, frames, labels, name, eps):
    """Whether pyautoattack breaks each frame. Its outer loops forget which frame is which, so only its walks are run."""
    broken = torch.zeros(len(frames), dtype=torch.bool)
    torch.manual_seed(0)
    for target in range(2, TARGETS + 2) if name == "apgd-t" else [None]:
        for _ in range(RESTARTS):
            rows = (~broken).nonzero().squeeze(1)
            if len(rows) == 0:
                return broken
            part = driver.of(rows)
            if target is None:
                attack = APGDAttack(part, n_iter=ITERATIONS, eps=eps, loss=name.removeprefix("apgd-"))
            else:
                attack = APGDAttack_targeted(part, n_iter=ITERATIONS, eps=eps, n_target_classes=TARGETS)
                with torch.no_grad():
                    attack.y_target = part(frames[rows]).sort(dim=1)[1][:, -target]
            attack.init_hyperparam(frames)
            broken[rows] = ~attack.attack_single_run(frames[rows], labels[rows])[1].bool()
    return broken


def read(folder, name):
    return torch.from_numpy(np.load(folder / f"{name}.npy"))


def main():
    folder = pathlib.Path(sys.argv[1])
    frames = read(folder, "frames").permute(0, 3, 1, 2).contiguous().float() / 255.0
    torch.set_num_threads(1)
    driver = Driver(read(folder, "odometry"))
    failed = 0
    with torch.no_grad():
        outputs = driver.outputs(frames)
        labels = driver(frames).max(1)[1]
        for what, found in [("outputs", outputs), ("heads", driver.heads(outputs))]:
            difference = (found - read(folder, what)).abs().max().item()
            failed += difference > 1e-4
            print(f"{what}: greatest difference {difference:.1e}")
    print(f"pyautoattack {version('pyautoattack')}, torch {torch.__version__}, {len(frames)} frames, ", end="")
    print(f"{ITERATIONS} iterations, {RESTARTS} restarts")
    print(f"{'attack':<10}{'eps':>10}{'theirs':>8}{'ours':>6}{'theirs only':>13}{'ours only':>11}{'ours here':>11}")
    for level in LEVELS:
        eps = float(level) / 255.0
        for name in ["apgd-ce", "apgd-dlr", "apgd-t"]:
            our_frames = read(folder, f"{name}_{level}").permute(0, 3, 1, 2).contiguous()
            ours = read(folder, f"{name}_{level}_broken").bool()
            with torch.no_grad():
                here = driver(our_frames).max(1)[1] != labels
            within = (our_frames - frames).abs().max().item() <= eps + 1e-6
            their = theirs(driver, frames, labels, name, eps)
            only = (their & ~ours).sum().item()
            # What lies on a boundary to the last bit may fall either way.
            good = within and only <= 0.01 * len(frames) and (here != ours).sum().item() <= 0.01 * len(frames)
            failed += not good
            row = f"{name:<10}{level + '/255':>10}{their.sum().item():>8}{ours.sum().item():>6}{only:>13}"
            print(f"{row}{(ours & ~their).sum().item():>11}{here.sum().item():>11}{'' if good else '   BROKEN'}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
