"""Drives by what the simulator knows, as an example of a driver of one's own in any language:

    roadproof replay scenarios/cut_in --driver "cmd:python3 agent/examples/own_driver.py"

What is said on the lines stands in agent/src/driver/program/README.md. With "frame" among the wants each question also has
the camera's picture: numpy.frombuffer(base64.b64decode(q["frame"]["rgb"]), "uint8").reshape(height_px, width_px, 3).
"""
import json
import math
import sys


def drive(question, car):
    """Keeps the middle of the lane, the speed limit, and two metres and 1.5 s behind the car ahead (Treiber et al. 2000)."""
    truth, speed = question["truth"], max(question["speed_mps"], 0.0)
    curvature = truth["curvature_per_m"] - 0.018 * truth["lane_offset_m"] - 0.26 * truth["heading_rad"]
    free = (speed / question["speed_limit_mps"]) ** 4
    near = 0.0
    if truth["gap_m"] is not None:
        closing = speed - truth["lead_speed_mps"]
        wanted = 2.0 + max(0.0, 1.5 * speed + speed * closing / (2 * math.sqrt(1.8 * 2.0)))
        near = (wanted / max(truth["gap_m"], 0.1)) ** 2
    steer = math.atan(car["wheelbase_m"] * curvature)
    return {"steer_rad": steer, "acceleration_mps2": max(1.8 * (1 - free - near), -8.0)}


def main():
    cars = {}
    json.loads(sys.stdin.readline())  # {"roadproof": "0.1.0", "protocol": 1}
    print(json.dumps({"protocol": 1, "wants": ["truth"]}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if "begins" in question:
            cars[question["drive"]] = question["begins"]["vehicle"]
        print(json.dumps(drive(question, cars[question["drive"]])), flush=question["more"] == 0)


main()
