"""The documents that the random sequences write, and what the specification says of a text: written from the specification
alone, sharing nothing with cfcfs."""
import json

EMPTY, INCOMPLETE, COMPLETE, MALFORMED = "empty", "incomplete", "complete", "malformed"


class Stops(Exception):
    """The text merely stops early."""


class Broken(Exception):
    """No text that begins so is JSON."""


class Unsure(Exception):
    """The specification does not say; the sequence ends here."""


class Reader:
    def __init__(self, text):
        self.text, self.at = text, 0

    def space(self):
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def peek(self):
        if self.at >= len(self.text):
            raise Stops
        return self.text[self.at]

    def take(self, char):
        if self.peek() != char:
            raise Broken
        self.at += 1

    def word(self, word):
        for char in word:
            self.take(char)

    def string(self):
        self.take('"')
        while self.peek() != '"':
            char = self.peek()
            if ord(char) < 0x20:
                raise Broken
            self.at += 1
            if char == "\\":
                if self.peek() not in '"\\/bfnrtu':
                    raise Broken
                self.at += 1
        self.at += 1

    def number(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "+-.eE0123456789":
            self.at += 1
        if self.at >= len(self.text):
            raise Stops
        try:
            json.loads(self.text[start:self.at])
        except ValueError:
            raise Broken from None

    def items(self, end, item):
        self.at += 1
        self.space()
        if self.peek() == end:
            self.at += 1
            return
        while True:
            self.space()
            item()
            self.space()
            if self.peek() == end:
                self.at += 1
                return
            self.take(",")

    def member(self, keys):
        start = self.at
        self.string()
        key = self.text[start:self.at]
        if key in keys:
            raise Broken
        keys.add(key)
        self.space()
        self.take(":")
        self.space()
        self.value()

    def value(self):
        char = self.peek()
        if char == "{":
            keys = set()
            self.items("}", lambda: self.member(keys))
        elif char == "[":
            self.items("]", lambda: self.value())
        elif char == '"':
            self.string()
        elif char in "tfn":
            self.word({"t": "true", "f": "false", "n": "null"}[char])
        elif char in "-0123456789":
            self.number()
        else:
            raise Broken


def state(data):
    """Whether the bytes are a whole document, the beginning of one, or neither. A document is an object."""
    if not data:
        return EMPTY
    if data.isspace():
        raise Unsure
    reader = Reader(data.decode("latin-1"))
    reader.space()
    try:
        if reader.peek() != "{":
            return MALFORMED
        reader.value()
    except Stops:
        return INCOMPLETE
    except Broken:
        return MALFORMED
    reader.space()
    return COMPLETE if reader.at == len(reader.text) else MALFORMED


# Not "instances": that is computed by the service, and no answer is compared with it.
def document(most, word):
    return {
        "scheduling_policy": "default",
        "instances": 1,
        "max_instances": most,
        "configuration": {
            "image": "app:v1",
            "instance_type": "lite",
            "environment_variables": [{"name": "WORD", "value": word}],
        },
    }


def meaning(data):
    """(max_instances, word) of a valid document; None where it is refused."""
    if state(data) != COMPLETE:
        return None

    def unique(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        parsed = json.loads(data, object_pairs_hook=unique)
    except ValueError:
        return None
    most = parsed.get("max_instances")
    if isinstance(most, str):
        return None
    try:
        word = parsed["configuration"]["environment_variables"][0]["value"]
    except (KeyError, IndexError, TypeError):
        raise Unsure from None
    if parsed != document(most, word) or not isinstance(word, str) or not 1 <= most <= 50:
        raise Unsure
    return most, word


def spell(rng, value):
    text = json.dumps(value, indent=rng.choice([None, None, 1, 2]), sort_keys=rng.random() < 0.3)
    return (text + rng.choice(["", "\n", "\n\n"])).encode()


def any_text(rng):
    """A text to write: most are good."""
    good = spell(rng, document(rng.randrange(1, 9), rng.choice(["red", "green", "blue"])))
    roll = rng.random()
    if roll < 0.7:
        return good
    if roll < 0.8:
        return spell(rng, document("many", "red"))
    if roll < 0.9:
        return good.replace(b":", b"=", 1)
    return good[:rng.randrange(len(good))]
