"""Holds the schemas against the documents that must be refused, and against some that must pass.

usage: schemas.py SCHEMAS DOCUMENTS LIVE
"""
import json
import pathlib
import sys

import jsonschema

# What no schema can say: the identity is the file's name, two spellings must mean the same, an order, a text's encoding.
BEYOND = {
    'application-name-type', 'application-other-name', 'application-memory-twins', 'deployment-other-label',
    'registry-other-domain', 'rollout-steps-order', 'rollout-last-step',
}
GOOD = {
    'application': [
        {'max_instances': 2, 'configuration': {'image': 'docker.io/library/redis:7'}},
        {'$schema': 'x', 'version': 3, 'name': 'web', 'instances': 0, 'max_instances': 2.0, 'jobs': None,
         'configuration': {'image': 'a', 'wrangler_ssh': {}, 'checks': [], 'dns': None, 'vcpu': 0.5, 'memory': '1 GiB'}},
        {'scheduling_policy': 'durable_object', 'durable_objects': {'script_name': 's', 'class_name': 'c'}, 'instances': None},
        {'max_instances': 1, 'configuration': {'image': 'a'}, 'constraints': {'regions': ['OC', 'WEUR'], 'jurisdiction': None},
         'observability': {'logs': {'enabled': True}, 'target_instance_count': 3}},
    ],
    'deployment': [{'image': 'a', 'location': 'l', 'instance_type': 'lite', 'vcpu': None}],
    'job': [{'entrypoint': [], 'command': ['a'], 'secrets': [{'type': 'env', 'name': 'A', 'value': ''}]}],
    'rollout': [{'description': '', 'strategy': 'rolling', 'step_percentage': 25, 'target_configuration': {'image': 'a'}}],
    'registry': [{'is_public': True}, {'auth': {'public_credential': 'u', 'private_credential': 's'}}],
    'registry-protocol': [{'domains': []}],
    'defaults': [{'vcpus': 0.5, 'memory': '1GiB'}, {}],
}


def main():
    schemas, documents, live = map(pathlib.Path, sys.argv[1:])
    validators = {}
    for path in schemas.glob('*.json'):
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[path.stem] = jsonschema.Draft202012Validator(schema)
    wrong, refused = [], 0
    for path in sorted(documents.glob('*.json')):
        kind = path.stem.split('-')[0].replace('_', '-')
        kind = {'account': 'defaults'}.get(kind, kind)
        if kind == 'credentials' or path.stem in BEYOND:
            continue
        try:
            pairs = json.loads(path.read_bytes().decode(), object_pairs_hook=unique, parse_constant=no_constant)
        except (ValueError, RecursionError):
            refused += 1
            continue
        if validators[kind].is_valid(pairs):
            wrong.append(f'{path.stem}: is taken')
        refused += 1
    for kind, docs in GOOD.items():
        for doc in docs:
            for e in validators[kind].iter_errors(doc):
                wrong.append(f'{kind} {json.dumps(doc)}: {e.message}')
    if refused < 80:
        wrong.append(f'only {refused} documents were looked at')
    print('\n'.join(wrong))
    return 1 if wrong else 0


def unique(pairs):
    keys = [k for k, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError('duplicate key')
    return dict(pairs)


def no_constant(name):
    raise ValueError(name)


sys.exit(main())
