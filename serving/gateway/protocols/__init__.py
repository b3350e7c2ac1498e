"""The protocols that clients speak, one file each: parse a request, encode an answer, describe a model."""
