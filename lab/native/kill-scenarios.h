// What is killed at every point: a script each, what it begins with, and what must hold afterwards.
#pragma once

#include <span>

#include "kill-world.h"

namespace lab {

struct World {
  OpenOptions options;
  std::string path, snapshotPath;
  std::vector<u8> before;  // the file as each run finds it; empty: there is none
  Model* model;
  Model modelBefore;
};

struct Scenario {
  const char* name;
  bool strict;  // nothing is evicted: nothing may be missing
  void (*prepare)(World&);
  void (*script)(World&);
  bool (*verify)(World&);
};

std::span<const Scenario> scenarios();
/** Gives the files and the model back as each run finds them. */
void putBack(World& w);
/** Ends the process with code 3, and the reason in the model, where it cannot be had. */
Segment* openOrEnd(World& w, Model& m);
/** What the scripts must have done between them; '' if so. */
std::string uncovered(const Scenario& scenario, World& w);

}  // namespace lab
