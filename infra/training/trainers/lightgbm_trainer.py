"""Trains LightGBM on a training set and logs the run through the unmodified mlflow client.

usage: lightgbm_trainer.py SPEC.json   (written by the executor: infra/roles/training.ts)
The last line of its output is JSON: {"run_id", "metrics", "weights_sha256", "weights_uri"}.
The same training set gives the same ONNX bytes: seeds are fixed, rows come in a fixed order, the number of threads is fixed.
"""
import csv, hashlib, json, os, sys, tempfile, time

# the run begins here, though it is logged once there is a model
began_ms = int(time.time() * 1000)

import numpy as np

spec = json.load(open(sys.argv[1]))
inputs = spec['inputs']

with open(spec['training_set'], newline='') as f:
    reader = csv.reader(f)
    header = next(reader)
    rows = list(reader)
column = {name: i for i, name in enumerate(header)}
X = np.full((len(rows), len(inputs)), np.nan, dtype=np.float32)
for j, item in enumerate(inputs):
    at = column[item['name']]
    if item['kind'] == 'category':
        index = {name: i for i, name in enumerate(item['categories'])}
        X[:, j] = [index.get(row[at], -1) for row in rows]
    else:
        X[:, j] = [float(row[at]) if row[at] not in ('', '\\N') else np.nan for row in rows]
y = np.array([float(row[column['label']]) for row in rows])
print(f'{len(rows)} rows, {X.shape[1]} inputs, {y.mean():.3f} positive', flush=True)

import lightgbm as lgb
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

params = dict(objective='binary', n_estimators=200, num_leaves=31, learning_rate=0.05, random_state=7, deterministic=True,
              force_row_wise=True, n_jobs=2, verbose=-1)
# rows are in the order of their event times: the last fifth is the hold-out
cut = int(len(rows) * 0.8)
held = lgb.LGBMClassifier(**params).fit(X[:cut], y[:cut])
scores = held.predict_proba(X[cut:])[:, 1]
metrics = {'auc': roc_auc_score(y[cut:], scores), 'log_loss': log_loss(y[cut:], scores), 'brier': brier_score_loss(y[cut:], scores),
           'rows': float(len(rows)), 'positive_rate': float(y.mean())}
model = lgb.LGBMClassifier(**params).fit(X, y)

from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

onnx_model = convert_lightgbm(model, name=spec['model'], initial_types=[('input', FloatTensorType([None, X.shape[1]]))], zipmap=False, target_opset=15)
folder = tempfile.mkdtemp(prefix='millrace-train-')
path = os.path.join(folder, 'model.onnx')
with open(path, 'wb') as f:
    f.write(onnx_model.SerializeToString())

import onnxruntime as ort

session = ort.InferenceSession(path, providers=['CPUExecutionProvider'])
sample = X[:: max(1, len(rows) // 2000)]
converted = session.run(['probabilities'], {'input': sample})[0][:, 1]
difference = float(np.abs(converted - model.predict_proba(sample)[:, 1]).max())
metrics['onnx_max_difference'] = difference
if difference > 1e-4:
    sys.exit(f'the ONNX model differs from LightGBM by up to {difference:.2g}: not registered')

os.environ.setdefault('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '3')
import mlflow
from mlflow.tracking import MlflowClient

client = MlflowClient(tracking_uri=spec['tracking_uri'])
experiment = client.get_experiment_by_name(spec['endpoint'])
experiment_id = experiment.experiment_id if experiment else client.create_experiment(spec['endpoint'])
run = client.create_run(experiment_id, start_time=began_ms, run_name=spec['training_id'], tags={'millrace.training_id': spec['training_id'], 'millrace.training_set_id': spec['training_set_id']})
run_id = run.info.run_id
for name, value in params.items():
    client.log_param(run_id, name, value)
client.log_param(run_id, 'training_set_id', spec['training_set_id'])
for name, value in metrics.items():
    client.log_metric(run_id, name, value)
for name, gain in sorted(zip([item['name'] for item in inputs], model.booster_.feature_importance('gain').tolist()), key=lambda pair: -pair[1])[:10]:
    client.set_tag(run_id, f'importance.{name}', f'{gain:.1f}')
# several artifacts of this size go through the same upload as any run's files
for artifact, text in (('signature.json', json.dumps(inputs)),):
    with open(os.path.join(folder, artifact), 'w') as f:
        f.write(text)
    client.log_artifact(run_id, os.path.join(folder, artifact))
client.log_artifact(run_id, path)
client.set_terminated(run_id)
artifact_uri = client.get_run(run_id).info.artifact_uri
sha256 = hashlib.sha256(open(path, 'rb').read()).hexdigest()
print(json.dumps({'run_id': run_id, 'metrics': metrics, 'weights_sha256': sha256, 'weights_uri': f'{artifact_uri}/model.onnx'}))
