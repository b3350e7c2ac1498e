"""Streams: records in, predictions out within seconds, each exactly once, in order where that is asked for."""
