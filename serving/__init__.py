"""The data plane: contract, runtimes, routing, counting and the gateway. It knows no Django."""
