import { readOptions } from "./options.js";
import { Wall } from "./wall.js";

const options = readOptions(location.search);
if (options.theme) document.documentElement.dataset.theme = options.theme;
await new Wall().start(options);
