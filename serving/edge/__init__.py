"""The device's mode: bundles, the channels that offer them, and the runner that a device needs beside them."""
