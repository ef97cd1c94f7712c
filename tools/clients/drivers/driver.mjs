// What the drivers of JavaScript clients share; see driver.py.
export const URL = process.env.URL, MODEL = process.env.MODEL, VARIANT = process.env.VARIANT ?? "";
export const KEY = "none", QUESTION = "What is airouter?";
export const MESSAGES = [{ role: "user", content: QUESTION }];
export const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const PLACE = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};
export const weatherOf = (given) => `rain in ${(typeof given === "string" ? JSON.parse(given) : given).city}`;
export const place = (given) => {
  const said = typeof given === "string" ? JSON.parse(given) : given;
  console.log(`${said.city} ${said.degrees}`);
};
export const joined = async (pieces) => {
  let count = 0;
  for await (const piece of pieces) if (piece) { count += 1; process.stdout.write(piece); }
  console.log(`\nPIECES ${count}`);
};
export const run = async (scenarios) => {
  const scenario = scenarios[process.argv[2]];
  if (!scenario) process.exit(3);
  const said = await scenario();
  if (said !== undefined) console.log(said);
  console.log("DONE");
};
