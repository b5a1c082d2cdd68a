#!/usr/bin/env node
// `npx millrace …` on the machine's own Node: the bootstrap brings what is missing and hands over to the pinned Node.
import '../setup/bootstrap.mjs';
