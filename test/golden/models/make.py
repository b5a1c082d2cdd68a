"""The small models of the tests: python test/golden/models/make.py   (needs onnx 1.17 or newer)

linear.onnx     sigmoid(2·a − b), float32 [n, 2] → [n, 1]
any-width.onnx  the same, without saying how many columns it takes
labels.onnx     an int64 output only: nothing that is a score
two-inputs.onnx two inputs of one column each
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

here = os.path.dirname(os.path.abspath(__file__))
W = numpy_helper.from_array(np.array([[2.0], [-1.0]], dtype=np.float32), 'W')


def save(name, nodes, inputs, outputs, initializers):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 15)], producer_name='millrace-tests', ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(here, f'{name}.onnx'))


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


product = helper.make_node('MatMul', ['input', 'W'], ['z'])
score = helper.make_node('Sigmoid', ['z'], ['probability'])
save('linear', [product, score], [tensor('input', ['n', 2])], [tensor('probability', ['n', 1])], [W])
save('any-width', [product, score], [tensor('input', ['n', 'columns'])], [tensor('probability', ['n', 1])], [W])
label = helper.make_node('Cast', ['z'], ['label'], to=TensorProto.INT64)
save('labels', [product, label], [tensor('input', ['n', 2])], [tensor('label', ['n', 1], TensorProto.INT64)], [W])
added = helper.make_node('Add', ['a', 'b'], ['probability'])
save('two-inputs', [added], [tensor('a', ['n', 1]), tensor('b', ['n', 1])], [tensor('probability', ['n', 1])], [])
