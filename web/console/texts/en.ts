import type de from "./de";

const en: typeof de = { title: "Console", welcome: "Signed in as {{name}}" };
export default en;
