"""KServe's Python server with a scikit-learn model, as its documentation shows it; run with FILE --http_port=N."""

import sys

import joblib
from kserve import Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response


class Iris(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.path = path

    def load(self):
        self.model = joblib.load(self.path)
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):
        return get_predict_response(payload, self.model.predict(get_predict_input(payload)), self.name)


if __name__ == "__main__":
    found = Iris("iris", sys.argv.pop(1))
    found.load()
    ModelServer(enable_grpc=False).start([found])
