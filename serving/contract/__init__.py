"""The contract of a model: its signature, compiled to a strict decoder that every way of serving shares."""

from serving.contract.batch import Batch, join
from serving.contract.compatibility import differences
from serving.contract.decoder import Decoder
from serving.contract.errors import ContractError, Detail
from serving.contract.fields import Field
from serving.contract.signature import Signature, SignatureError
from serving.contract.tensors import Request

__all__ = [
    "Batch",
    "ContractError",
    "Decoder",
    "Detail",
    "Field",
    "Request",
    "Signature",
    "SignatureError",
    "differences",
    "join",
]
