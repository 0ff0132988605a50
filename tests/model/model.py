"""The reference model: what a directory of applications is after each call, as the specification has it. A method returns
the call's expected outcome: None, or the set of errno names that are right (with None in it where a success is, too)."""
from text import COMPLETE, EMPTY, INCOMPLETE, MALFORMED, Unsure, meaning, state

REFUSED = {"EINVAL"}


class Resource:
    def __init__(self, doc, version):
        self.doc, self.version = doc, version
        self.text = None  # the bytes that were written, while the account still means them


class Draft:
    def __init__(self, data, began_empty, is_new):
        self.data, self.began_empty, self.is_new = bytearray(data), began_empty, is_new
        self.handled = None  # (content, outcome)
        self.cut_short = False
        self.dead = False    # its name was taken away: what is written goes nowhere
        self.pos = 0


class Model:
    def __init__(self, grace):
        self.grace = grace   # deletes wait, and are sent by fsync of the directory
        self.account = {}    # name: Resource
        self.pending = set() # names whose delete waits
        self.away = {}       # name renamed to a backup: the backup's name
        self.drafts = {}     # name: Draft, open
        self.empty = set()   # new files that were closed empty
        self.scratch = {}    # name: bytes

    # ---- what is seen

    def has(self, name):
        return name in self.account and name not in self.pending and name not in self.away

    def visible(self):
        """name: the bytes, or a Resource whose rendering is the mount's own business."""
        seen = dict(self.scratch)
        for name, resource in self.account.items():
            if self.has(name):
                seen[name] = resource.text if resource.text is not None else resource
        for name in self.empty:
            seen[name] = b""
        for name, draft in self.drafts.items():
            if not draft.dead:
                seen[name] = bytes(draft.data)
        return seen

    def directories(self):
        written = {name for name, draft in self.drafts.items() if not draft.dead}
        return {name[:-5] for name in self.account if self.has(name) or name in written}

    # ---- sending

    def send(self, name, data):
        doc = meaning(bytes(data))
        if doc is None:
            return REFUSED
        resource = self.account.get(name)
        if resource is None:
            resource = self.account[name] = Resource(doc, 1)
        elif resource.doc != doc:
            resource.doc = doc
            resource.version += 1
        resource.text = bytes(data)
        self.pending.discard(name)
        self.away.pop(name, None)
        return None

    def handle(self, name, draft):
        """Sends the draft's content, once."""
        content = bytes(draft.data)
        if draft.handled and draft.handled[0] == content:
            return draft.handled[1]
        outcome = self.send(name, content)
        draft.handled = (content, outcome)
        if outcome is None:
            draft.is_new = False
        return outcome

    # ---- calls

    def open(self, name, truncate, shown):
        """shown: the bytes that the file has now, for what is not truncated; None where there is no file."""
        if name in self.pending or name in self.away:
            self.pending.discard(name)
            truncate = True
        is_new = name not in self.account
        draft = Draft(b"" if truncate or is_new else shown, truncate or is_new, is_new)
        if not draft.began_empty:
            draft.handled = (bytes(draft.data), None)
        self.empty.discard(name)
        self.drafts[name] = draft
        return None

    def write(self, name, data, append):
        draft = self.drafts[name]
        at = len(draft.data) if append else draft.pos
        draft.data.extend(b"\0" * (at - len(draft.data)))
        draft.data[at:at + len(data)] = data
        outcome = None
        if draft.began_empty and not draft.dead and state(bytes(draft.data)) in (COMPLETE, MALFORMED):
            outcome = self.handle(name, draft)
        if outcome is None:
            draft.pos = at + len(data)
        return outcome

    def truncate(self, name, size):
        draft = self.drafts[name]
        if size < len(draft.data):
            del draft.data[size:]
        else:
            draft.data.extend(b"\0" * (size - len(draft.data)))
        if size == 0:
            draft.began_empty = True
        return None

    def flush(self, name):
        draft = self.drafts[name]
        if draft.dead:
            return {None, "ESTALE"}
        now = state(bytes(draft.data))
        if draft.handled and draft.handled[0] == bytes(draft.data):
            return draft.handled[1]
        if now == EMPTY:
            return None if draft.is_new else REFUSED
        if now == INCOMPLETE:
            draft.cut_short = True
            return REFUSED
        return self.handle(name, draft)

    def close(self, name):
        draft = self.drafts[name]
        outcome = self.flush(name)
        del self.drafts[name]
        if not draft.dead and draft.is_new and not draft.data:
            if draft.handled or draft.cut_short:
                raise Unsure  # a text was refused, and taken back
            self.empty.add(name)
        return outcome

    def unlink(self, name):
        if name in self.scratch:
            del self.scratch[name]
            return None
        draft = self.drafts.get(name)
        if draft and not draft.dead:
            draft.dead = True
            if draft.handled != (bytes(draft.data), None):
                return None  # an unsent or refused draft: only that goes
        elif name in self.empty:
            self.empty.discard(name)
            return None
        if not self.has(name):
            return {"ENOENT"}
        if self.grace:
            self.pending.add(name)
        else:
            del self.account[name]
        return None

    def rename(self, old, new):
        if old in self.scratch:
            if not new.endswith(".json"):
                self.scratch[new] = self.scratch.pop(old)
                return None
            if self.away.get(new) == old:
                # A backup that comes back.
                self.away.pop(new)
                self.scratch.pop(old)
                return None
            outcome = {"EBADMSG"} if self.send(new, self.scratch[old]) else None
            if outcome is None:
                del self.scratch[old]
                self.empty.discard(new)
            else:
                # The name that was unlinked to be replaced is back.
                self.pending.discard(new)
            return outcome
        if old in self.empty:
            raise Unsure
        if not self.has(old):
            return {"ENOENT"}
        if new == old:
            return None
        if self.has(new) or new in self.empty:
            return {"EEXIST"}
        if new in self.pending:
            raise Unsure
        self.account[new] = self.account.pop(old)
        self.account[new].version += 1
        return None

    def back_up(self, name, backup, shown):
        self.scratch[backup] = shown
        self.away[name] = backup
        return None

    def sync(self):
        for name in self.pending:
            del self.account[name]
        self.pending.clear()
        return None

    # ---- somebody else

    def outside_patch(self, name, most):
        resource = self.account[name]
        resource.version += 1
        if resource.doc[0] != most:
            resource.doc = (most, resource.doc[1])
            resource.text = None

    def outside_create(self, name, doc):
        self.account[name] = Resource(doc, 1)

    def outside_delete(self, name):
        del self.account[name]
        self.pending.discard(name)
