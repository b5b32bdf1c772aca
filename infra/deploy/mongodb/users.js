// Runs once, when MongoDB's folder is empty: the login of the workers and the API. It can read and write one database,
// and create collections and indexes there; it cannot make users, read other databases or stop the server.
db.getSiblingDB("admin").createUser({
  user: "tributary",
  pwd: process.env.TRIBUTARY_MONGODB_PASSWORD,
  roles: [{ role: "readWrite", db: "tributary" }, { role: "dbAdmin", db: "tributary" }],
});
